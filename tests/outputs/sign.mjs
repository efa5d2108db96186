// A Node server on `jose`: it verifies what it is given, then signs with each key of the private JWKS and of each PEM file.
//
//   node sign.mjs FOLDER-OF-THE-VIEW TOKEN...

import { readFileSync, readdirSync } from "node:fs";
import { SignJWT, compactDecrypt, CompactEncrypt, createLocalJWKSet, importJWK, importPKCS8, importX509, jwtVerify } from "jose";

const [view, ...tokens] = process.argv.slice(2);
const json = (name) => JSON.parse(readFileSync(`${view}/${name}`, "utf8"));
const published = json("certified.json");
const relyingParty = createLocalJWKSet(published);

for (const token of tokens) {
  const { payload } = await jwtVerify(token, relyingParty);
  if (payload.sub !== "java") throw new Error(`not the token that Java signed: ${payload.sub}`);
}

for (const jwk of published.keys) {
  if (jwk.x5c.length !== 1) throw new Error(`${jwk.kid} has ${jwk.x5c.length} certificates`);
  const lines = jwk.x5c[0].match(/.{1,64}/g).join("\n");
  await importX509(`-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`, jwk.alg);
}

const sign = (alg, kid, key) => new SignJWT({ sub: "node" }).setProtectedHeader({ alg, kid }).sign(key);
const signed = [];
for (const jwk of json("private.json").keys) {
  const pem = readFileSync(`${view}/pem/${jwk.kid}.pem`, "utf8");
  if (jwk.use === "enc") {
    const publicHalf = published.keys.find((key) => key.kid === jwk.kid);
    const message = new CompactEncrypt(new TextEncoder().encode("for the server")).setProtectedHeader({ alg: jwk.alg, enc: "A256GCM" });
    const sealed = await message.encrypt(await importJWK(publicHalf, jwk.alg));
    for (const key of [await importJWK(jwk, jwk.alg), await importPKCS8(pem, jwk.alg)]) {
      await compactDecrypt(sealed, key);
    }
    continue;
  }
  signed.push(await sign(jwk.alg, jwk.kid, await importJWK(jwk, jwk.alg)));
  signed.push(await sign(jwk.alg, jwk.kid, await importPKCS8(pem, jwk.alg)));
}
const active = readdirSync(`${view}/pem`).filter((name) => name.startsWith("active."));
if (active.length === 0) throw new Error("no file names the key that signs");
console.log(signed.join("\n"));
