//! Names of users and groups, from the machine's own files.

/// The name of that account in `/etc/passwd`, or the number where there is none.
#[must_use]
pub fn account_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &passwd).unwrap_or_else(|| uid.to_string())
}

/// The number of that group in `/etc/group`.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    let group = std::fs::read_to_string("/etc/group").unwrap_or_default();
    id_of(name, &group)
}

/// The numbers of that account and of its group, in `/etc/passwd`.
#[must_use]
pub fn account_ids(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ids_of(name, &passwd)
}

/// The numbers of all groups of that account, with `gid` as its own: those in `/etc/group` that name it.
#[must_use]
pub fn group_ids_of(account: &str, gid: u32) -> Vec<u32> {
    let group = std::fs::read_to_string("/etc/group").unwrap_or_default();
    groups_with(account, gid, &group)
}

/// `group(5)`: `name:password:gid:members`.
fn groups_with(account: &str, gid: u32, group: &str) -> Vec<u32> {
    let named = group.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let (id, members) = (fields.next()?, fields.next()?);
        let is_in = members.split(',').any(|member| member.trim() == account);
        id.parse().ok().filter(|id| is_in && *id != gid)
    });
    std::iter::once(gid).chain(named).collect()
}

/// `passwd(5)`: `name:password:uid:gid:…`.
fn ids_of(name: &str, passwd: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let own = fields.next()? == name;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        own.then(|| Some((uid.parse().ok()?, gid.parse().ok()?))).flatten()
    })
}

/// `passwd(5)`: `name:password:uid:…`. What is not fit for a record's line is not taken.
fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        let fits = !name.is_empty() && name.len() <= 64 && !name.chars().any(char::is_control);
        (fits && id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// `group(5)`: `name:password:gid:…`.
fn id_of(name: &str, group: &str) -> Option<u32> {
    group.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (own, id) = (fields.next()?, fields.nth(1)?);
        if own == name { id.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_groups_are_found_by_number_and_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n\nanna:x:1000:100::/home/anna:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("anna"));
        assert_eq!(name_of(7, passwd), None);
        assert_eq!(ids_of("anna", passwd), Some((1000, 100)));
        let group = "users:x:100:anna\nbroken\nwheel:x:10:bert, anna\nannas:x:11:annab\noidc:x:12:bert,anna,carl\n";
        assert_eq!(groups_with("anna", 100, group), [100, 10, 12]);
        assert_eq!(ids_of("otto", passwd), None);
        let group = "wheel:x:10:\njkeys-admin:x:990:anna\n";
        assert_eq!(id_of("jkeys-admin", group), Some(990));
        assert_eq!(id_of("jkeys", group), None);
    }

    #[test]
    fn an_account_without_a_name_is_its_number() {
        assert_eq!(account_name(4_294_900_000), "4294900000");
    }
}
