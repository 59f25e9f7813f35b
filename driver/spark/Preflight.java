// SPDX-License-Identifier: MIT
//
// Preflight: before any work, tasks on executors try what every worker will
// need: the name of elephasd's address resolves, it can be connected to, it
// takes the job's token, and the worker's executable runs. A fault is an
// answer, not an exception, so that Spark does not try it four times. With a local
// master this process is the executor, and it is tried while Spark starts.
package elephas.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;

final class Preflight implements Serializable {
    private static final long serialVersionUID = 1;
    private static final int CONNECT_MS = 5000;
    private static final int RUN_S = 20;
    private static final int TASKS_MAX = 64;

    private final Daemon daemon;
    private final ArrayList<String> worker;

    private Preflight(Daemon daemon, List<String> worker) {
        this.daemon = daemon;
        this.worker = new ArrayList<>(worker);
    }

    /** Begins to try in this process; await() ends it. */
    static FutureTask<String> here(Daemon daemon, List<String> worker) {
        Preflight check = new Preflight(daemon, worker);
        FutureTask<String> task = new FutureTask<>(check::tryAll);
        Thread thread = new Thread(task, "elephas preflight");
        thread.setDaemon(true);
        thread.start();
        return task;
    }

    static void await(FutureTask<String> begun) throws Failure {
        try {
            String answer = begun.get();
            if (!answer.isEmpty()) {
                throw new Failure(answer);
            }
        } catch (InterruptedException | ExecutionException e) {
            throw new Failure("the preflight: " + Failure.reason(e), e);
        }
    }

    /** Tries on as many tasks as can run at once. */
    static void run(JavaSparkContext spark, Daemon daemon, List<String> worker, int slots)
            throws Failure {
        Preflight check = new Preflight(daemon, worker);
        int tasks = Math.max(1, Math.min(slots, TASKS_MAX));
        List<String> answers = spark.parallelize(Collections.nCopies(tasks, 0), tasks)
                .map(ignored -> check.tryAll()).collect();
        for (String answer : answers) {
            if (!answer.isEmpty()) {
                throw new Failure(answer);
            }
        }
    }

    private String tryAll() {
        String fault = tryDaemon();
        return fault.isEmpty() ? tryWorker() : fault;
    }

    private String tryDaemon() {
        URI uri = URI.create(daemon.url);
        String where = uri.getHost() + ":" + port(uri);
        String me = "executor on " + WorkerOutput.host();
        InetAddress address;
        try {
            address = InetAddress.getByName(uri.getHost());
        } catch (UnknownHostException e) {
            return me + " cannot resolve elephasd's address " + where
                    + ": start elephasd with --advertise HOST:PORT that executors can reach";
        }
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(address, port(uri)), CONNECT_MS);
        } catch (IOException e) {
            return me + " cannot connect to elephasd at " + where + " (" + Failure.reason(e)
                    + "): start elephasd with --advertise HOST:PORT that executors can reach";
        }
        try {
            Daemon.Answer answer = daemon.get("/engine");
            if (!answer.ok()) {
                return "elephasd at " + where + " refuses an " + me + ": " + answer.detail();
            }
        } catch (IOException e) {
            return me + " gets no answer from elephasd at " + where + ": " + Failure.reason(e);
        }
        return "";
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : "https".equals(uri.getScheme()) ? 443 : 80;
    }

    private String tryWorker() {
        List<String> command = new ArrayList<>(worker);
        command.add("--version");
        String me = command.get(0) + " on executor " + WorkerOutput.host();
        Process process = null;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            String said;
            try (InputStream out = process.getInputStream()) {
                said = new String(out.readNBytes(65536), StandardCharsets.UTF_8);
            }
            if (!process.waitFor(RUN_S, TimeUnit.SECONDS)) {
                return me + " does not end";
            }
            return process.exitValue() == 0 ? ""
                    : me + " does not run (status " + process.exitValue() + "): "
                            + Failure.firstLine(said);
        } catch (IOException e) {
            return me + " does not run: " + Failure.reason(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return me + ": interrupted";
        } finally {
            if (process != null) {
                process.destroyForcibly();
            }
        }
    }
}
