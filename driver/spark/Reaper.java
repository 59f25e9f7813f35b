// SPDX-License-Identifier: MIT
//
// Reaper: ends the workers of tasks that Spark has ended. Spark interrupts the
// thread of such a task, but a thread that waits for a process's output does
// not notice, and pipe() destroys the process only when that thread returns:
// without this a superseded or cancelled task would hold its slot until its
// worker ends by itself. One thread per executor looks ten times a second.
//
// pipe() does not tell which process it started. Tasks start theirs one at a
// time (the gate), so what is new among the children is the task's.
package elephas.spark;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

final class Reaper {
    private static final long PERIOD_MS = 100;
    private static final long GATE_S = 30;
    private static final Semaphore GATE = new Semaphore(1);
    private static final ConcurrentHashMap<ProcessHandle, TaskContext> WORKERS =
            new ConcurrentHashMap<>();
    private static final AtomicBoolean RUNNING = new AtomicBoolean();

    private final TaskContext context;
    private final AtomicBoolean holds = new AtomicBoolean();
    private Set<ProcessHandle> before;

    /** Before pipe() starts a worker, on the task's thread. */
    Reaper(TaskContext context) {
        this.context = context;
        try {
            holds.set(GATE.tryAcquire(GATE_S, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (holds.get()) {
            before = children();
            // a worker that does not start at all leaves the gate open too
            context.addTaskCompletionListener((TaskCompletionListener) ended -> open());
        }
    }

    /** After it was started. */
    void started() {
        if (!holds.get()) {
            return;
        }
        for (ProcessHandle child : children()) {
            if (!before.contains(child)) {
                WORKERS.put(child, context);
            }
        }
        open();
        if (RUNNING.compareAndSet(false, true)) {
            Thread thread = new Thread(Reaper::watch, "elephas reaper");
            thread.setDaemon(true);
            thread.start();
        }
    }

    private void open() {
        if (holds.compareAndSet(true, false)) {
            GATE.release();
        }
    }

    private static Set<ProcessHandle> children() {
        return ProcessHandle.current().children().collect(Collectors.toSet());
    }

    private static void watch() {
        while (true) {
            WORKERS.forEach((worker, task) -> {
                if (!worker.isAlive()) {
                    WORKERS.remove(worker);
                } else if (task.isInterrupted()) {
                    worker.descendants().forEach(ProcessHandle::destroyForcibly);
                    worker.destroyForcibly();
                }
            });
            Reporter.pause(PERIOD_MS);
        }
    }
}
