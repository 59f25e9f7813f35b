// SPDX-License-Identifier: MIT
//
// Bridge: the program that elephasd gives to spark-submit. It reads its order,
// starts a Spark application, sees that the job can work at all (executors come,
// they reach elephasd, the worker runs), has the workers piped over the data,
// and reports. It ends when the job does, when elephasd says so, or when
// elephasd is gone (end of file on standard input): no JVM outlives them.
//
//   Bridge ORDER tied    ends with its standard input
//   Bridge ORDER free    does not (cluster mode: elephasd is elsewhere)
//
// Exit status: 0 done, 1 failed, 130 stopped.
package elephas.spark;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Paths;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

public final class Bridge {
    private static final int ORDER_MAX = 16 << 20;
    private static final int MASTER_CONNECT_MS = 3000;
    private static final long STOP_MS = 8000;
    private static final long SETTLE_MS = 2000;
    private static final String EXECUTOR_TIMEOUT = "spark.elephas.executorTimeout";

    private final Order order;
    private final Reporter reporter;
    private final Explainer explainer = new Explainer();
    private final AtomicBoolean stopping = new AtomicBoolean();
    private volatile JavaSparkContext spark;

    private Bridge(Order order) {
        this.order = order;
        this.reporter = new Reporter(new Daemon(order.localServer, order.token, order.job),
                order.generation, this::stop);
    }

    public static void main(String[] args) throws Exception {
        int status = 1;
        try {
            if (args.length != 2) {
                throw new Failure("usage: Bridge ORDER tied|free");
            }
            Bridge bridge = new Bridge(Order.parse(read(args[0])));
            if (args[1].equals("tied")) {
                bridge.watchParent();
            }
            status = bridge.run();
        } catch (Failure e) {
            System.err.println("elephas: " + e.getMessage());
        }
        System.exit(status);
    }

    private static String read(String file) throws IOException {
        if (!file.contains("://")) {
            return java.nio.file.Files.readString(Paths.get(file));
        }
        Path path = new Path(file);
        try (InputStream in = path.getFileSystem(new Configuration()).open(path)) {
            return new String(in.readNBytes(ORDER_MAX), StandardCharsets.UTF_8);
        }
    }

    /** elephasd holds the other end: when it is gone, so are we. */
    private void watchParent() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (IOException e) {
                // the same as its end
            }
            stop("elephasd has let go of its end");
        }, "elephas parent");
        thread.setDaemon(true);
        thread.start();
    }

    /** Ends the application soon, and the process in any case. */
    private void stop(String why) {
        if (!stopping.compareAndSet(false, true)) {
            return;
        }
        System.err.println("elephas: stopping: " + why);
        Thread last = new Thread(() -> {
            Reporter.pause(STOP_MS);
            Runtime.getRuntime().halt(130);
        }, "elephas last resort");
        last.setDaemon(true);
        last.start();
        Thread stopper = new Thread(() -> {
            if (spark != null) {
                spark.cancelAllJobs();
                spark.stop();
            }
            Runtime.getRuntime().halt(130);
        }, "elephas stop");
        stopper.setDaemon(true);
        stopper.start();
    }

    private int run() {
        String error = null;
        String stderr = null;
        try {
            start();
            work();
        } catch (Throwable e) {
            error = explainer.explain(e);
            stderr = explainer.stderr();
            if (explainer.isInput()) {
                reporter.put("code", "invalid");
            }
            if (!explainer.isKnown()) {
                e.printStackTrace();
            }
        }
        if (stopping.get()) {
            Reporter.pause(STOP_MS); // the stopper ends the process
            return 130;
        }
        if (error != null) {
            reporter.put("error", error).put("stderr", stderr == null ? "" : stderr);
        }
        reporter.finish(error == null ? "done" : "failed");
        if (spark != null) {
            spark.stop();
        }
        return error == null ? 0 : 1;
    }

    // ---- start -------------------------------------------------------------

    private void start() throws Failure {
        SparkConf conf = new SparkConf();
        order.conf.forEach(conf::set);
        conf.setIfMissing("spark.app.name", "elephas");
        conf.setAppName("elephas " + order.kind + " "
                + (order.name == null ? order.job : order.name));
        conf.setIfMissing("spark.serializer", "org.apache.spark.serializer.KryoSerializer");
        String listeners = conf.get("spark.extraListeners", "");
        conf.set("spark.extraListeners", (listeners.isEmpty() ? "" : listeners + ",")
                + Watch.class.getName());
        String master = conf.get("spark.master", "local[*]");
        Daemon daemon = new Daemon(order.server, order.token, order.job);
        FutureTask<String> tried = null;
        if (master.startsWith("local")) {
            // nothing is tried twice on a local master unless it says how often
            conf.setMaster(master.replaceFirst("^local\\[([^,\\]]+)\\]$", "local[$1,4]"));
            conf.setIfMissing("spark.ui.enabled", "false");
            if (!order.localWorker.isEmpty()) {
                order.worker = order.localWorker;
            }
            if (!master.startsWith("local-cluster")) {
                tried = Preflight.here(daemon, order.worker);
            }
        }
        checkMaster(master);
        try {
            spark = new JavaSparkContext(conf);
        } catch (Exception e) {
            throw new Failure("Spark does not start with master " + master + ": "
                    + Failure.reason(e), e);
        }
        spark.setLogLevel("WARN");
        Watch.get().onHopeless(spark::cancelAllJobs);
        reporter.put("application", spark.sc().applicationId()).put("spark", spark.version());
        if (spark.sc().uiWebUrl().isDefined()) {
            reporter.put("web", spark.sc().uiWebUrl().get());
        }
        reporter.log("Spark " + spark.version() + " application " + spark.sc().applicationId()
                + " on " + master);
        awaitExecutors(conf, master);
        if (tried != null) {
            Preflight.await(tried);
        } else {
            Preflight.run(spark, daemon, order.worker, Watch.get().slots());
        }
    }

    /** A standalone master that is not there costs Spark a minute to notice. */
    private static void checkMaster(String master) throws Failure {
        if (!master.startsWith("spark://")) {
            return;
        }
        String reason = "";
        for (String one : master.substring("spark://".length()).split(",")) {
            Matcher m = Pattern.compile("(.+):(\\d+)").matcher(one);
            if (!m.matches()) {
                throw new Failure("master " + master + ": spark://HOST:PORT is wanted");
            }
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(m.group(1),
                        Integer.parseInt(m.group(2))), MASTER_CONNECT_MS);
                return;
            } catch (IOException | IllegalArgumentException e) {
                reason = e instanceof java.net.UnknownHostException
                        || String.valueOf(e.getMessage()).contains("nresolved")
                        ? "the name cannot be resolved" : Failure.reason(e);
            }
        }
        throw new Failure("Spark master " + master + " cannot be reached: " + reason);
    }

    /** Slots are needed to choose how to train, and to work at all. */
    private void awaitExecutors(SparkConf conf, String master) throws Failure {
        boolean shared = master.startsWith("yarn") || master.startsWith("k8s");
        long limit = conf.getTimeAsSeconds(EXECUTOR_TIMEOUT, shared ? "300s" : "60s");
        long began = System.nanoTime();
        Watch watch = Watch.get();
        int wanted = Math.max(1, order.workers);
        while (watch.slots() < wanted
                && !(watch.slots() > 0 && watch.settled() > SETTLE_MS)) {
            if (watch.applicationEnded() || spark.sc().isStopped()) {
                throw new Failure("Spark ended the application before an executor came: is "
                        + master + " a Spark master of this version, and does it answer?"
                        + because(watch));
            }
            if ((System.nanoTime() - began) / 1_000_000_000 >= limit) {
                throw new Failure("no executor came within " + limit + " s: the cluster has no "
                        + "free core, or no worker has " + conf.get("spark.executor.memory", "1g")
                        + " of memory (spark.executor.memory)" + because(watch));
            }
            Reporter.pause(20);
        }
    }

    private static String because(Watch watch) {
        return watch.executorsLost() == 0 ? "" : "; " + watch.executorsLost()
                + " executors ended, the last: " + watch.lastRemoval();
    }

    // ---- work --------------------------------------------------------------

    private void work() throws Exception {
        if (order.output != null) {
            predictToDataset();
            return;
        }
        Input<?> input = Input.isText(order) ? Input.text(spark, order)
                : Input.packed(spark, order, explainer);
        if (order.is("train")) {
            new Train(spark, order, reporter).run(input);
        } else if (order.is("evaluate")) {
            Evaluate.run(spark, order, input, reporter);
        } else {
            new Predict(spark, order, reporter).toDaemon(input);
        }
    }

    private void predictToDataset() throws Failure {
        Order.Output output = order.output;
        if (!output.overwrite && Files.exists(spark.hadoopConfiguration(), output.path)) {
            throw Failure.input(output.path + " exists: give --overwrite, or another --output");
        }
        if (order.data.source.contains(output.path)) {
            throw Failure.input(output.path + " is the data: give another --output");
        }
        Table table = Table.open(spark, order.data, order.data.source);
        Columns columns = Input.columns(table, order);
        explainer.typed(table.rows, columns);
        new Predict(spark, order, reporter).toDataset(table, columns);
    }

}
