// SPDX-License-Identifier: MIT
//
// Exchange: what the threads around one piped task tell each other. pipe()
// starts, from the task's thread, one thread that writes the rows and one that
// copies the worker's standard error to System.err; both inherit the task's
// exchange. So the task learns what the worker wrote on standard error, why
// the rows stopped, and which rows belong to the lines that come back.
package elephas.spark;

import java.io.PrintStream;
import java.util.ArrayDeque;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;

final class Exchange {
    private static final int TAIL_LINES = 20;
    private static final int TAIL_LINE_CHARS = 2000;
    private static final long LAST_WORDS_MS = 500;
    private static final String READER = "stderr reader for";

    private static final InheritableThreadLocal<Exchange> CURRENT =
            new InheritableThreadLocal<>();

    /** Rows that were written to the worker and have no answer yet. */
    final ConcurrentLinkedQueue<Row> rows = new ConcurrentLinkedQueue<>();

    private final long attempt = TaskContext.get().taskAttemptId();
    /** Ends the worker with its task. */
    final Reaper reaper = new Reaper(TaskContext.get());
    private Exchange outer; // rows that come from a pipe of the same task
    private final ArrayDeque<String> tail = new ArrayDeque<>();
    private Thread reader;
    private Throwable feedError;

    /** Begins the exchange of the task that runs on this thread. */
    static void begin() {
        Tap.install();
        Exchange exchange = new Exchange();
        Exchange before = CURRENT.get();
        if (before != null && before.attempt == exchange.attempt) {
            exchange.outer = before;
        }
        CURRENT.set(exchange);
    }

    static Exchange current() {
        return CURRENT.get();
    }

    /** Ends it; the thread is again what it was before. */
    void end() {
        if (CURRENT.get() == this) {
            CURRENT.set(outer);
        }
    }

    synchronized void feedFailed(Throwable thrown) {
        if (feedError == null) {
            feedError = thrown;
        }
    }

    synchronized Throwable feedError() {
        return feedError;
    }

    private synchronized void add(String line) {
        reader = Thread.currentThread();
        tail.add(line.length() > TAIL_LINE_CHARS ? line.substring(0, TAIL_LINE_CHARS) : line);
        if (tail.size() > TAIL_LINES) {
            tail.remove();
        }
    }

    private synchronized boolean allRead() {
        return reader != null && !reader.isAlive();
    }

    /** The last lines of standard error of a worker that has ended. */
    String lastWords() {
        long deadline = System.nanoTime() + LAST_WORDS_MS * 1_000_000;
        while (!allRead() && System.nanoTime() < deadline) {
            Reporter.pause(5);
        }
        synchronized (this) {
            return String.join("\n", tail);
        }
    }

    /** System.err, of which the lines of workers are kept. */
    private static final class Tap extends PrintStream {
        private Tap(PrintStream to) {
            super(to, true);
        }

        static synchronized void install() {
            if (!(System.err instanceof Tap)) {
                System.setErr(new Tap(System.err));
            }
        }

        @Override
        public void println(String line) {
            keep(line);
            super.println(line);
        }

        @Override
        public void println(Object line) {
            keep(String.valueOf(line));
            super.println(line);
        }

        private void keep(String line) {
            Exchange exchange = CURRENT.get();
            if (exchange != null && Thread.currentThread().getName().startsWith(READER)) {
                exchange.add(line);
            }
        }
    }
}
