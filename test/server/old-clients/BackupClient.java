import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A client as Java programs of 2010 were: HttpURLConnection with fixed-length streaming.
 *
 * BackupClient ACCESS_URL put FILE NAME | get NAME FILE | list | exists NAME
 */
public final class BackupClient {
  private static final Pattern ACCESS_URL =
      Pattern.compile("^(https?://)([a-zA-Z0-9]+):([a-zA-Z0-9]+)@([-.a-zA-Z0-9]+(?::[0-9]+)?)/$");

  private final String base;
  private final String authorization;

  private BackupClient(String accessUrl) {
    Matcher matcher = ACCESS_URL.matcher(accessUrl);
    if (!matcher.matches()) throw new IllegalArgumentException("This is not an access url.");
    base = matcher.group(1) + matcher.group(4);
    String credentials = matcher.group(2) + ":" + matcher.group(3);
    byte[] bytes = credentials.getBytes(StandardCharsets.US_ASCII);
    authorization = "Basic " + Base64.getEncoder().encodeToString(bytes);
  }

  private HttpURLConnection open(String method, String name) throws IOException {
    String path = URLEncoder.encode(name, "UTF-8").replace("%2F", "/").replace("+", "%20");
    HttpURLConnection connection = (HttpURLConnection) new URL(base + path).openConnection();
    connection.setRequestMethod(method);
    connection.setUseCaches(false);
    connection.setRequestProperty("Authorization", authorization);
    connection.setRequestProperty("User-Agent", "OldBackupClient/1.0 (java)");
    connection.setRequestProperty("Connection", "close");
    return connection;
  }

  private void check(HttpURLConnection connection) throws IOException {
    int status = connection.getResponseCode();
    if (status / 100 == 2) return;
    InputStream error = connection.getErrorStream();
    String words = error == null ? "" : new String(readAll(error), StandardCharsets.UTF_8).trim();
    System.err.println(status + " " + words);
    System.exit(1);
  }

  private void put(Path file, String name) throws IOException {
    HttpURLConnection connection = open("PUT", name);
    connection.setDoOutput(true);
    connection.setFixedLengthStreamingMode(Files.size(file));
    try (OutputStream out = connection.getOutputStream()) {
      Files.copy(file, out);
    }
    check(connection);
    System.out.print(new String(readAll(connection.getInputStream()), StandardCharsets.UTF_8));
  }

  private void get(String name, Path file) throws IOException {
    HttpURLConnection connection = open("GET", name);
    check(connection);
    long length = connection.getContentLengthLong();
    if (length < 0) throw new IOException("The download has no length.");
    try (InputStream in = connection.getInputStream()) {
      if (Files.copy(in, file) != length) throw new IOException("The download ended early.");
    }
  }

  private void list() throws IOException {
    HttpURLConnection connection = open("GET", "/");
    connection.setRequestProperty("Accept", "application/json");
    check(connection);
    System.out.print(new String(readAll(connection.getInputStream()), StandardCharsets.UTF_8));
  }

  private void exists(String name) throws IOException {
    String status = open("HEAD", name).getHeaderField(0);
    if (status.startsWith("HTTP/1.1 200")) System.out.println("yes");
    else if (status.startsWith("HTTP/1.1 404")) System.out.println("no");
    else throw new IOException("Unexpected: " + status);
  }

  private static byte[] readAll(InputStream in) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    in.transferTo(all);
    return all.toByteArray();
  }

  public static void main(String[] arguments) throws IOException {
    BackupClient client = new BackupClient(arguments[0]);
    switch (arguments[1]) {
      case "put" -> client.put(Paths.get(arguments[2]), arguments[3]);
      case "get" -> client.get(arguments[2], Paths.get(arguments[3]));
      case "list" -> client.list();
      case "exists" -> client.exists(arguments[2]);
      default -> throw new IllegalArgumentException(arguments[1]);
    }
  }
}
