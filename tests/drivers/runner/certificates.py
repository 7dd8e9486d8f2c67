"""Throw-away certificates: an authority, a server certificate signed by it, and an authority that signed nothing."""

import subprocess


def make(folder):
    """Writes ca.crt, server.crt, server.key and other.crt into the folder."""
    authority(folder, "ca", "drivers test authority")
    authority(folder, "other", "another authority")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr")
    (folder / "server.ext").write_text(
        "subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = CA:FALSE\n"
        "keyUsage = digitalSignature, keyEncipherment\nextendedKeyUsage = serverAuth\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-sha256", "-extfile", "server.ext", "-out", "server.crt")
    (folder / "server.key").chmod(0o600)
    for name in ("ca.crt", "server.crt", "other.crt"):
        (folder / name).chmod(0o644)


def authority(folder, name, subject):
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-sha256", "-subj", f"/CN={subject}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", f"{name}.key", "-out", f"{name}.crt")


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True)
