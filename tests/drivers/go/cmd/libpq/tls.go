package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"drivers/suite"
)

// listeningDialer keeps the first bytes that the server sent: lib/pq does not tell whether it speaks TLS, its socket does.
type listeningDialer struct{ sockets []*listeningSocket }

func (dialer *listeningDialer) Dial(network, address string) (net.Conn, error) {
	return dialer.DialTimeout(network, address, suite.Deadline)
}

func (dialer *listeningDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	socket, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return nil, err
	}
	listening := &listeningSocket{Conn: socket}
	dialer.sockets = append(dialer.sockets, listening)
	return listening, nil
}

// sawTLS says whether every connection was answered with 'S' and then a TLS handshake record.
func (dialer *listeningDialer) sawTLS() bool {
	for _, socket := range dialer.sockets {
		if len(socket.start) < 2 || socket.start[0] != 'S' || socket.start[1] != 0x16 {
			return false
		}
	}
	return len(dialer.sockets) > 0
}

type listeningSocket struct {
	net.Conn
	start []byte
}

func (socket *listeningSocket) Read(buffer []byte) (int, error) {
	read, err := socket.Conn.Read(buffer)
	if len(socket.start) < 2 {
		socket.start = append(socket.start, buffer[:read]...)
	}
	return read, err
}

func wrongAuthority() error {
	if !suite.OverTLS() {
		return nil
	}
	err := ping("sslrootcert=" + suite.OtherAuthority())
	var unverified *tls.CertificateVerificationError
	if !errors.As(err, &unverified) {
		return fmt.Errorf("expected a certificate error, got %v", err)
	}
	return nil
}
