use axum::http::{HeaderName, HeaderValue};

use super::*;
use crate::config::admin::{AdminTls, AdminUser};
use crate::config::settings::{ClientCertificates, Identity};

fn peer(address: &str) -> Peer {
    Peer { address: address.parse().unwrap(), subject: None, is_tls: false }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
}

fn user(who: Who, role: Role) -> AdminUser {
    AdminUser { who, role }
}

struct Lab {
    access: Access,
    token: String,
    file: tempfile::NamedTempFile,
}

fn with_tokens() -> Lab {
    let (file, token) = (tempfile::NamedTempFile::new().unwrap(), tokens::random().unwrap());
    std::fs::write(file.path(), tokens::line("alice", Role::Approver, &token)).unwrap();
    let settings = DashboardSettings { tokens: Some(file.path().to_owned()), ..DashboardSettings::default() };
    Lab { access: Access::new(settings).unwrap(), token, file }
}

#[test]
fn without_any_way_to_know_somebody_everybody_looks_and_nobody_decides() {
    let access = Access::new(DashboardSettings::default()).unwrap();
    let look = |host: &str| access.visitor(&headers(&[("host", host)]), &peer("127.0.0.1"), Instant::now());
    for host in ["localhost", "localhost:9187", "127.0.0.1:9187", "[::1]:9187", "LOCALHOST"] {
        let visitor = look(host).unwrap();
        assert_eq!((visitor.role, visitor.by, visitor.name), (Role::Viewer, By::Nothing, None));
    }
    for host in ["evil.example", "evil.example:9187", "localhost.evil.example"] {
        assert_eq!(look(host), Err(Refused::WrongHost), "a page of somebody else's, whose name was made to lead here");
    }
    let open = Access::new(DashboardSettings { shown: Dashboard::Open, ..DashboardSettings::default() }).unwrap();
    assert_eq!(open.visitor(&headers(&[("host", "pgairlock.internal")]), &peer("10.0.0.9"), Instant::now()).unwrap().role, Role::Viewer);
}

#[test]
fn a_token_lets_in_by_header_or_by_cookie_until_its_line_is_gone() {
    let (lab, now) = (with_tokens(), Instant::now());
    let access = &lab.access;
    let look = |pairs: &[(&str, &str)]| access.visitor(&headers(pairs), &peer("10.0.0.9"), now);
    assert_eq!(look(&[]), Err(Refused::Unknown));
    assert_eq!(look(&[("authorization", &format!("Bearer {}", lab.token))]).map(|one| (one.role, one.by)), Ok((Role::Approver, By::Bearer)));
    let (_, cookie) = access.log_in(&lab.token, "10.0.0.9".parse().unwrap(), now).unwrap();
    let sent = format!("other=1; pgairlock={cookie}");
    let visitor = look(&[("cookie", &sent)]).unwrap();
    assert_eq!((visitor.name.as_deref(), visitor.by), (Some("alice"), By::Cookie));
    assert!(visitor.has_sent(&visitor.csrf.clone()) && !visitor.has_sent("") && !visitor.has_sent(&"0".repeat(64)));
    let (_, other) = access.log_in(&lab.token, "10.0.0.9".parse().unwrap(), now).unwrap();
    assert_ne!(look(&[("cookie", &format!("pgairlock={other}"))]).unwrap().csrf, visitor.csrf, "each browser has its own");

    std::fs::write(lab.file.path(), tokens::line("alice", Role::Viewer, &lab.token)).unwrap();
    access.take_over(read_tokens(&lab.file.path().to_owned()), &|why| panic!("{why}"));
    assert_eq!(look(&[("cookie", &sent)]).unwrap().role, Role::Viewer, "the role that stands there now");
    std::fs::write(lab.file.path(), "alice:viewer").unwrap();
    let told = Mutex::new(Vec::new());
    for _ in 0..2 {
        access.take_over(read_tokens(&lab.file.path().to_owned()), &|why| told.lock().unwrap().push(why.to_owned()));
    }
    assert_eq!(told.lock().unwrap().len(), 1, "told once");
    assert!(look(&[("cookie", &sent)]).is_ok(), "those of before count");
    std::fs::write(lab.file.path(), "").unwrap();
    access.take_over(read_tokens(&lab.file.path().to_owned()), &|why| panic!("{why}"));
    assert_eq!(look(&[("cookie", &sent)]), Err(Refused::Unknown));
    assert_eq!(look(&[("authorization", &format!("Bearer {}", lab.token))]), Err(Refused::WrongToken));
}

#[test]
fn a_wrong_token_is_not_tried_for_ever_and_other_ways_do_not_make_good_for_it() {
    let (lab, now) = (with_tokens(), Instant::now());
    let (_, cookie) = lab.access.log_in(&lab.token, "10.0.0.9".parse().unwrap(), now).unwrap();
    let wrong = headers(&[("authorization", "Bearer x"), ("cookie", &format!("pgairlock={cookie}"))]);
    for _ in 0..10 {
        assert_eq!(lab.access.visitor(&wrong, &peer("10.0.0.9"), now), Err(Refused::WrongToken));
    }
    assert!(matches!(lab.access.visitor(&wrong, &peer("10.0.0.9"), now), Err(Refused::TooOften(_))));
    assert!(matches!(lab.access.log_in(&lab.token, "10.0.0.9".parse().unwrap(), now), Err(Refused::TooOften(_))));
    assert!(lab.access.log_in(&lab.token, "10.0.0.8".parse().unwrap(), now).is_ok(), "another address");
}

#[test]
fn over_tls_only_the_cookie_counts_that_no_neighbour_can_set() {
    let (lab, now) = (with_tokens(), Instant::now());
    let (_, cookie) = lab.access.log_in(&lab.token, "10.0.0.9".parse().unwrap(), now).unwrap();
    let look = |is_tls: bool, name: &str| {
        let peer = Peer { is_tls, ..peer("10.0.0.9") };
        lab.access.visitor(&headers(&[("cookie", &format!("{name}={cookie}"))]), &peer, now).map(|one| one.by)
    };
    assert_eq!((look(true, "__Host-pgairlock"), look(false, "pgairlock")), (Ok(By::Cookie), Ok(By::Cookie)));
    assert_eq!((look(true, "pgairlock"), look(false, "__Host-pgairlock")), (Err(Refused::Unknown), Err(Refused::Unknown)));
}

#[test]
fn a_proxy_is_believed_by_its_address_only() {
    let settings = DashboardSettings {
        identity_header: Some("X-Forwarded-User".into()),
        trusted_proxies: vec![crate::config::network::Network::read("10.0.0.5").unwrap()],
        users: vec![user(Who::Name("alice".into()), Role::Approver)],
        ..DashboardSettings::default()
    };
    let access = Access::new(settings.clone()).unwrap();
    let look = |access: &Access, address: &str, pairs: &[(&str, &str)]| {
        access.visitor(&headers(pairs), &peer(address), Instant::now()).map(|one| (one.name, one.role, one.by))
    };
    let alice = [("x-forwarded-user", "alice")];
    assert_eq!(look(&access, "10.0.0.5", &alice), Ok((Some("alice".into()), Role::Approver, By::Proxy)));
    assert_eq!(look(&access, "10.0.0.6", &alice), Err(Refused::Unknown), "anybody can send a header");
    assert_eq!(look(&access, "10.0.0.5", &[("x-forwarded-user", "bob")]), Err(Refused::NoRole("bob".into())));
    assert_eq!(look(&access, "10.0.0.5", &[("x-forwarded-user", "alice"), ("x-forwarded-user", "bob")]), Err(Refused::WrongName));
    assert_eq!(look(&access, "10.0.0.5", &[("x-forwarded-user", &"a".repeat(201))]), Err(Refused::WrongName));
    assert_eq!(look(&access, "10.0.0.5", &[("x-forwarded-user", "Jürgen")]), Err(Refused::NoRole("Jürgen".into())));
    assert_eq!(look(&access, "10.0.0.5", &[]), Err(Refused::Unknown));
    let mut users = settings.users.clone();
    users.push(user(Who::Name("*".into()), Role::Viewer));
    let access = Access::new(DashboardSettings { users, ..settings }).unwrap();
    assert_eq!(look(&access, "10.0.0.5", &[("x-forwarded-user", "bob")]).unwrap().1, Role::Viewer);
    assert_eq!(look(&access, "10.0.0.5", &alice).unwrap().1, Role::Approver);
    assert!(access.is_secure(&headers(&[("x-forwarded-proto", "https")]), &peer("10.0.0.5")));
    assert!(!access.is_secure(&headers(&[("x-forwarded-proto", "https")]), &peer("10.0.0.6")));
}

#[test]
fn a_certificate_is_known_by_its_whole_subject() {
    let identity = Identity { certificate: "c".into(), key: "k".into(), clients: Some(ClientCertificates { ca: "ca".into(), required: false }) };
    let settings = DashboardSettings {
        tls: Some(AdminTls { identity }),
        users: vec![user(Who::Subject("CN=alice,O=Example".into()), Role::Approver)],
        ..DashboardSettings::default()
    };
    let access = Access::new(settings).unwrap();
    let look = |subject: Option<&str>| {
        let peer = Peer { subject: subject.map(str::to_owned), is_tls: true, ..peer("10.0.0.9") };
        access.visitor(&HeaderMap::new(), &peer, Instant::now()).map(|one| one.role)
    };
    assert_eq!(look(Some("CN=alice,O=Example")), Ok(Role::Approver));
    assert_eq!(look(Some("CN=alice")), Err(Refused::NoRole("CN=alice".into())));
    assert_eq!(look(None), Err(Refused::Unknown));
}
