// SPDX-License-Identifier: MIT
//
// WorkerOutput: the lines of one worker, as pipe() hands them out, with pipe's
// bare "exited with status N" made into a WorkerFailure that says what the
// worker said. An attempt that a newer one has replaced is ended as killed, not
// as failed and least of all as done.
package elephas.spark;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Iterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;

final class WorkerOutput implements Iterator<String> {
    private static final Pattern STATUS = Pattern.compile("exited with status (\\d+)");
    private static final String SUPERSEDED = "elephas-worker: superseded";

    private final Exchange exchange;
    private final Iterator<String> lines;

    WorkerOutput(Exchange exchange, Iterator<String> lines) {
        this.exchange = exchange;
        exchange.reaper.started();
        this.lines = lines;
    }

    @Override
    public boolean hasNext() {
        try {
            boolean more = lines.hasNext();
            if (!more) {
                exchange.end();
            }
            return more;
        } catch (TaskKilledException e) {
            throw e;
        } catch (Exception e) {
            exchange.end();
            throw explain(e);
        }
    }

    @Override
    public String next() {
        return lines.next();
    }

    private RuntimeException explain(Exception thrown) {
        TaskContext context = TaskContext.get();
        if (context.isInterrupted()) {
            return new TaskKilledException("the task was ended");
        }
        Throwable feed = exchange.feedError();
        if (feed instanceof BadRow) {
            return (BadRow) feed;
        }
        if (feed instanceof RuntimeException) {
            return (RuntimeException) feed;
        }
        Matcher m = STATUS.matcher(String.valueOf(thrown.getMessage()));
        if (!m.find()) {
            return thrown instanceof RuntimeException ? (RuntimeException) thrown
                    : new RuntimeException(thrown);
        }
        String words = exchange.lastWords();
        if (words.contains(SUPERSEDED)) {
            return new TaskKilledException("a newer attempt works on this partition");
        }
        return new WorkerFailure(context.partitionId(), context.taskAttemptId(), host(),
                Integer.parseInt(m.group(1)), words);
    }

    static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost";
        }
    }
}
