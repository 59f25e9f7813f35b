// SPDX-License-Identifier: MIT
//
// Watch: what Spark says about executors and tasks. Spark makes it (it is in
// spark.extraListeners, so that it also hears of the first executors), the
// bridge asks it: how many slots there are, which failure was the first, how
// far the tasks are. Called on Spark's listener thread; asked from others.
package elephas.spark;

import java.util.HashMap;
import java.util.Map;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.ExecutorLostFailure;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskEndReason;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.TaskKilled;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerTaskEnd;

public final class Watch extends SparkListener {
    private static final String OURS = "#elephas-";
    private static volatile Watch only;

    private final Map<String, Integer> cores = new HashMap<>();
    private final int coresPerTask;
    private long lastAdded;
    private int removed;
    private String lastRemoval = "";
    private String first; // text of the first failure
    private long attemptsFailed;
    private boolean ended;
    private Runnable onHopeless; // called once, for a failure that would come again

    public Watch(SparkConf conf) {
        coresPerTask = Math.max(1, conf.getInt("spark.task.cpus", 1));
        only = this;
    }

    static Watch get() {
        return only;
    }

    @Override
    public synchronized void onExecutorAdded(SparkListenerExecutorAdded added) {
        cores.put(added.executorId(), added.executorInfo().totalCores());
        lastAdded = System.nanoTime();
        notifyAll();
    }

    @Override
    public synchronized void onExecutorRemoved(SparkListenerExecutorRemoved gone) {
        cores.remove(gone.executorId());
        removed++;
        lastRemoval = Failure.firstLine(gone.reason() == null ? "" : gone.reason());
        notifyAll();
    }

    @Override
    public synchronized void onApplicationEnd(SparkListenerApplicationEnd end) {
        ended = true;
        notifyAll();
    }

    @Override
    public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
        TaskEndReason reason = end.reason();
        if (!(reason instanceof TaskFailedReason) || reason instanceof TaskKilled) {
            return;
        }
        attemptsFailed++;
        String text;
        if (reason instanceof ExceptionFailure) {
            ExceptionFailure failure = (ExceptionFailure) reason;
            text = failure.description();
            if (text == null || text.isBlank()) {
                text = failure.className();
            }
        } else {
            text = ((TaskFailedReason) reason).toErrorString();
        }
        if (onHopeless != null && isHopeless(text)) {
            Thread thread = new Thread(onHopeless, "elephas hopeless");
            thread.setDaemon(true);
            thread.start();
            onHopeless = null;
        }
        // a lost executor says less than what a worker said
        boolean weak = reason instanceof ExecutorLostFailure;
        if (first == null || (!weak && !first.startsWith(OURS) && text.startsWith(OURS))) {
            first = text;
        }
    }

    /** The data is at fault: trying the task again would say the same. */
    private static boolean isHopeless(String text) {
        WorkerFailure.Parts worker = WorkerFailure.Parts.of(text);
        return text.startsWith(BadRow.MARK)
                || (worker != null && worker.status == WorkerFailure.STATUS_INPUT);
    }

    synchronized void onHopeless(Runnable call) {
        onHopeless = call;
    }

    /** Tasks that can run at once. */
    synchronized int slots() {
        int sum = 0;
        for (int c : cores.values()) {
            sum += c / coresPerTask;
        }
        return sum;
    }

    synchronized int executors() {
        return cores.size();
    }

    synchronized int executorsLost() {
        return removed;
    }

    synchronized String lastRemoval() {
        return lastRemoval;
    }

    synchronized boolean applicationEnded() {
        return ended;
    }

    /** Milliseconds since the last executor came. */
    synchronized long settled() {
        return (System.nanoTime() - lastAdded) / 1_000_000;
    }

    /** The first failure of a task, or null; forgotten when taken. */
    synchronized String takeFirstFailure() {
        String text = first;
        first = null;
        return text;
    }

    synchronized String firstFailure() {
        return first;
    }
}
