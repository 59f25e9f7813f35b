// SPDX-License-Identifier: MIT
//
// Reporter: tells elephasd how the job goes (POST /v1/jobs/ID/engine), at
// least once a second from a thread of its own, and hears from the answers
// where the training is and whether to stop. When elephasd cannot be reached
// for UNREACHABLE_MS, that is a stop too: nobody would take the result.
package elephas.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

final class Reporter {
    private static final long PERIOD_MS = 500;
    private static final long UNREACHABLE_MS = 30_000;
    private static final int LAST_TRIES = 10;

    /** Where the training is, by elephasd. */
    static final class Position {
        final long trained;
        final long step;
        final boolean finished;

        Position(long trained, long step, boolean finished) {
            this.trained = trained;
            this.step = step;
            this.finished = finished;
        }
    }

    private final Daemon daemon;
    private final int generation;
    private final ObjectMapper mapper = new ObjectMapper();
    private final Consumer<String> onStop;
    private ObjectNode next; // guarded by this
    private String state = "starting";
    private LongSupplier progress;
    private boolean ended;
    private volatile boolean stopped;
    private volatile Position position = new Position(0, 0, false);
    private long lastHeard = System.nanoTime();

    Reporter(Daemon daemon, int generation, Consumer<String> onStop) {
        this.daemon = daemon;
        this.generation = generation;
        this.onStop = onStop;
        this.next = mapper.createObjectNode();
        Thread thread = new Thread(this::run, "elephas reports");
        thread.setDaemon(true);
        thread.start();
    }

    synchronized Reporter put(String key, String value) {
        next.put(key, value);
        return this;
    }

    synchronized Reporter put(String key, long value) {
        next.put(key, value);
        return this;
    }

    /** Asked before each report: rows that are done. */
    synchronized void progress(LongSupplier rowsDone) {
        progress = rowsDone;
    }

    synchronized void state(String value) {
        state = value;
        notifyAll();
    }

    synchronized void log(String line) {
        JsonNode lines = next.path("log");
        ArrayNode array = lines.isArray() ? (ArrayNode) lines : next.putArray("log");
        array.add(line);
        notifyAll();
    }

    boolean isStopped() {
        return stopped;
    }

    /** Reports now and answers where the training is. */
    Position position() throws Failure {
        try {
            send();
        } catch (IOException e) {
            throw new Failure("elephasd at " + daemon.url + ": " + Failure.reason(e), e);
        }
        return position;
    }

    /** The last report; tries for some seconds. */
    void finish(String last) {
        synchronized (this) {
            state = last;
            ended = true;
        }
        for (int i = 0; i < LAST_TRIES; i++) {
            try {
                send();
                return;
            } catch (IOException e) {
                pause(500);
            }
        }
        System.err.println("elephas: elephasd at " + daemon.url + " did not take the last report");
    }

    private void run() {
        while (true) {
            synchronized (this) {
                if (ended || stopped) {
                    return;
                }
            }
            try {
                send();
            } catch (IOException e) {
                if (System.nanoTime() - lastHeard > UNREACHABLE_MS * 1_000_000) {
                    stop("elephasd at " + daemon.url + " has not answered for "
                            + UNREACHABLE_MS / 1000 + " s: " + Failure.reason(e));
                }
            }
            synchronized (this) {
                try {
                    if (!ended && !next.has("log")) {
                        wait(PERIOD_MS);
                    }
                } catch (InterruptedException e) {
                    return;
                }
            }
        }
    }

    private synchronized void send() throws IOException {
        ObjectNode report = next;
        report.put("generation", generation);
        report.put("state", state);
        if (progress != null) {
            report.put("done", progress.getAsLong());
        }
        next = mapper.createObjectNode();
        Daemon.Answer answer;
        try {
            byte[] body = mapper.writeValueAsString(report).getBytes(StandardCharsets.UTF_8);
            answer = daemon.post("/engine", "application/json", body);
        } catch (IOException e) {
            keep(report);
            throw e;
        }
        lastHeard = System.nanoTime();
        if (answer.ok()) {
            JsonNode n = answer.json();
            position = new Position(n.path("trained").asLong(0), n.path("step").asLong(0),
                    n.path("finished").asBoolean(false));
            if (n.path("stop").asBoolean(false)) {
                stop("elephasd asks to stop");
            }
        } else if (answer.status / 100 == 4) {
            stop("elephasd refuses reports: " + answer.detail());
        }
    }

    /** What could not be sent goes with the next report. */
    private void keep(ObjectNode unsent) {
        ObjectNode later = next;
        next = unsent;
        later.fields().forEachRemaining(f -> {
            if (f.getKey().equals("log") && next.has("log")) {
                ((ArrayNode) next.get("log")).addAll((ArrayNode) f.getValue());
            } else {
                next.set(f.getKey(), f.getValue());
            }
        });
    }

    private void stop(String why) {
        if (!stopped && !ended) {
            stopped = true;
            onStop.accept(why);
        }
    }

    static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
