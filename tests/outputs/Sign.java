// A Java server that signs with each entry of a PKCS#12 key store: one JWT (RFC 7519) a line.
//
//   java Sign.java STORE PASSWORD-FILE KID=ALG...

import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.Base64;

public class Sign {
    public static void main(String[] args) throws Exception {
        char[] password = Files.readString(Path.of(args[1])).strip().toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream file = new FileInputStream(args[0])) {
            store.load(file, password);
        }
        for (int at = 2; at < args.length; at++) {
            String[] named = args[at].split("=");
            System.out.println(sign(store, password, named[0], named[1]));
        }
    }

    private static String sign(KeyStore store, char[] password, String kid, String alg) throws Exception {
        X509Certificate certificate = (X509Certificate) store.getCertificate(kid);
        certificate.verify(certificate.getPublicKey());
        if (!certificate.getSubjectX500Principal().getName().equals("CN=" + kid)) {
            throw new IllegalStateException("the certificate beside " + kid + " is " + certificate.getSubjectX500Principal());
        }
        String signed = base64(("{\"alg\":\"" + alg + "\",\"kid\":\"" + kid + "\"}").getBytes(StandardCharsets.UTF_8))
            + "." + base64(claims().getBytes(StandardCharsets.UTF_8));
        Signature signature = algorithm(alg);
        signature.initSign((PrivateKey) store.getKey(kid, password));
        signature.update(signed.getBytes(StandardCharsets.US_ASCII));
        return signed + "." + base64(signature.sign());
    }

    private static String claims() {
        long now = System.currentTimeMillis() / 1000;
        return "{\"sub\":\"java\",\"iat\":" + now + ",\"exp\":" + (now + 600) + "}";
    }

    private static Signature algorithm(String alg) throws Exception {
        switch (alg) {
            case "RS256":
                return Signature.getInstance("SHA256withRSA");
            case "PS256":
                Signature pss = Signature.getInstance("RSASSA-PSS");
                pss.setParameter(new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1));
                return pss;
            case "ES256":
                return Signature.getInstance("SHA256withECDSAinP1363Format");
            case "ES384":
                return Signature.getInstance("SHA384withECDSAinP1363Format");
            case "EdDSA":
                return Signature.getInstance("Ed25519");
            default:
                throw new IllegalArgumentException(alg);
        }
    }

    private static String base64(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
