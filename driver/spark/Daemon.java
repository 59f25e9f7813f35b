// SPDX-License-Identifier: MIT
//
// Daemon: requests to elephasd, from the bridge and from executors. Proxies of
// the environment are not used: elephasd is reached directly, as the workers
// reach it. Every request has a deadline.
package elephas.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Serializable;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.URL;
import java.nio.charset.StandardCharsets;

final class Daemon implements Serializable {
    private static final long serialVersionUID = 1;
    private static final int CONNECT_MS = 5000;
    private static final int READ_MS = 20000;

    final String url;
    final String token;
    final String job;

    /** What came back; a status that is no 2xx is an answer too. */
    static final class Answer {
        final int status;
        final String body;

        Answer(int status, String body) {
            this.status = status;
            this.body = body;
        }

        boolean ok() {
            return status / 100 == 2;
        }

        JsonNode json() throws IOException {
            return new ObjectMapper().readTree(body.isEmpty() ? "{}" : body);
        }

        /** The detail of a problem document, or the status. */
        String detail() {
            try {
                String text = json().path("detail").asText("");
                return text.isEmpty() ? "status " + status : text;
            } catch (IOException e) {
                return "status " + status;
            }
        }
    }

    Daemon(String url, String token, String job) {
        this.url = url.endsWith("/") ? url.substring(0, url.length() - 1) : url;
        this.token = token;
        this.job = job;
    }

    Answer get(String tail) throws IOException {
        return send("GET", tail, null, null);
    }

    Answer post(String tail, String type, byte[] body) throws IOException {
        return send("POST", tail, type, body);
    }

    private Answer send(String method, String tail, String type, byte[] body)
            throws IOException {
        URL to = new URL(url + "/v1/jobs/" + job + tail);
        HttpURLConnection c = (HttpURLConnection) to.openConnection(Proxy.NO_PROXY);
        c.setRequestMethod(method);
        c.setConnectTimeout(CONNECT_MS);
        c.setReadTimeout(READ_MS);
        c.setInstanceFollowRedirects(false);
        if (token != null) {
            c.setRequestProperty("Authorization", "Bearer " + token);
        }
        if (body != null) {
            c.setRequestProperty("Content-Type", type);
            c.setDoOutput(true);
            c.setFixedLengthStreamingMode(body.length);
            try (OutputStream out = c.getOutputStream()) {
                out.write(body);
            }
        }
        int status = c.getResponseCode();
        try (InputStream in = status >= 400 ? c.getErrorStream() : c.getInputStream()) {
            byte[] text = in == null ? new byte[0] : in.readAllBytes();
            return new Answer(status, new String(text, StandardCharsets.UTF_8));
        }
    }
}
