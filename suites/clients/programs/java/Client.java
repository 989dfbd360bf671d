import com.azure.core.credential.TokenRequestContext;
import com.azure.core.util.CoreUtils;
import com.azure.identity.ManagedIdentityCredential;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;

/**
 * Tokens for one process by azure-identity for Java; a line of JSON says what came of each acquisition. With BEGUN set it makes
 * that file after the first one, awaits the file RESUME, moves its clock by SHIFT_S and asks for a token again.
 */
public class Client {
    public static void main(String[] arguments) throws Exception {
        var credential = new ManagedIdentityCredentialBuilder().build();
        acquire(credential);
        var begun = System.getenv("BEGUN");
        if (begun != null) {
            Files.createFile(Path.of(begun));
            while (!Files.exists(Path.of(System.getenv("RESUME")))) {
                Thread.sleep(20);
            }
            moveClock((long) Double.parseDouble(System.getenv("SHIFT_S")));
            acquire(credential);
        }
        System.exit(0);
    }

    private static void acquire(ManagedIdentityCredential credential) {
        var request = new TokenRequestContext().addScopes("https://vault.azure.net/.default");
        var began = System.nanoTime();
        var error = "";
        try {
            credential.getTokenSync(request);
        } catch (Exception failed) { // checked ones come out of it too
            error = failed.getClass().getSimpleName();
            failed.printStackTrace();
        }
        var seconds = (System.nanoTime() - began) / 1e9;
        var version = CoreUtils.getProperties("azure-identity.properties").get("version");
        System.out.printf(Locale.ROOT, "{\"seconds\": %f, \"version\": \"%s\", \"error\": \"%s\"}%n", seconds, version, error);
    }

    /** Writes by how much into the file that the library reads which the process was loaded with (ahead.c). */
    private static void moveClock(long shiftS) throws Exception {
        var before = System.currentTimeMillis();
        var seconds = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder()).putLong(shiftS).array();
        Files.write(Path.of(System.getenv("CLOCK_FILE")), seconds, StandardOpenOption.WRITE);
        if (System.currentTimeMillis() < before + shiftS * 1000) {
            throw new IllegalStateException("the clock does not move");
        }
    }
}
