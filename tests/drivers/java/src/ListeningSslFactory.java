import java.io.IOException;
import java.net.Socket;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLSocket;
import org.postgresql.ssl.LibPQFactory;
import org.postgresql.util.PSQLException;

/** The driver's own factory, which also keeps the sockets that it made: the driver does not tell whether it speaks TLS. */
public final class ListeningSslFactory extends LibPQFactory {
    static final List<SSLSocket> SOCKETS = new CopyOnWriteArrayList<>();

    public ListeningSslFactory(Properties settings) throws PSQLException {
        super(settings);
    }

    @Override
    public Socket createSocket(Socket socket, String host, int port, boolean autoClose) throws IOException {
        Socket encrypted = super.createSocket(socket, host, port, autoClose);
        SOCKETS.add((SSLSocket) encrypted);
        return encrypted;
    }

    /** Whether one socket was made and its handshake ended with a certificate of the server. */
    static boolean sawTls() throws IOException {
        return SOCKETS.size() == 1
                && SOCKETS.get(0).getSession().isValid()
                && SOCKETS.get(0).getSession().getPeerCertificates().length > 0;
    }
}
