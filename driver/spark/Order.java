// SPDX-License-Identifier: MIT
//
// Order: what elephasd wants done, as it came: one JSON object
// (docs/PROTOCOL.md section 7.2). Only values; what they mean is known by the
// classes that use them.
package elephas.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

final class Order implements Serializable {
    private static final long serialVersionUID = 1;

    static final class Data implements Serializable {
        private static final long serialVersionUID = 1;
        List<String> source;
        String format;
        Boolean header; // null: guess
        List<String> label;
        List<String> features;
        String sampleWeight;
        String table;
        String sql;
        Double fillNull;
        int featureCount; // what the model takes in a row; 0: unknown
        int labelCount;
    }

    static final class Output implements Serializable {
        private static final long serialVersionUID = 1;
        String path;
        String format;
        boolean overwrite;
        boolean predictClass;
        boolean array; // probabilities; else one number
        int units; // numbers the model gives for a row
    }

    String job;
    int generation;
    String kind;
    String name;
    String server; // as executors reach it
    String localServer; // as the bridge reaches it
    String token;
    Data data;
    double split; // part of the rows kept for validation; 0: none
    List<String> validationSource;
    int workers; // 0: the partitions of the data
    int epochs;
    boolean batch; // a round is a batch, not an epoch
    String rounds;
    List<String> worker; // command, without verb, on executors
    List<String> localWorker; // the same on this machine
    List<String> plugins; // files that came along for the workers to load
    Map<String, String> conf = new HashMap<>(); // settings that are secret
    Output output; // null: predictions go to elephasd

    boolean is(String what) {
        return kind.equals(what);
    }

    static Order parse(String json) throws Failure {
        try {
            return read(new ObjectMapper().readTree(json));
        } catch (IOException e) {
            throw new Failure("the order of elephasd is not JSON: " + Failure.reason(e), e);
        }
    }

    private static Order read(JsonNode n) throws Failure {
        Order o = new Order();
        o.job = need(n, "job");
        o.generation = n.path("generation").asInt(0);
        o.kind = need(n, "kind");
        o.name = text(n, "name");
        o.server = need(n, "server");
        o.localServer = text(n, "local_server");
        if (o.localServer == null) {
            o.localServer = o.server;
        }
        o.token = text(n, "token");
        o.data = readData(n.path("data"));
        o.split = n.path("validation").path("split").asDouble(0);
        o.validationSource = list(n.path("validation").path("source"));
        o.workers = n.path("workers").asInt(0);
        o.epochs = n.path("epochs").asInt(1);
        o.batch = "batch".equals(text(n, "frequency"));
        o.rounds = n.path("rounds").asText("auto");
        o.worker = list(n.path("worker"));
        o.localWorker = list(n.path("local_worker"));
        o.plugins = list(n.path("plugins"));
        n.path("conf").fields().forEachRemaining(
                f -> o.conf.put(f.getKey(), f.getValue().asText()));
        if (o.worker.isEmpty()) {
            throw new Failure("the order of elephasd names no worker");
        }
        o.output = n.path("output").isObject() ? readOutput(n.path("output")) : null;
        return o;
    }

    private static Data readData(JsonNode n) {
        Data d = new Data();
        d.source = list(n.path("source"));
        d.format = n.path("format").asText("csv");
        d.header = n.path("header").isBoolean() ? n.path("header").asBoolean() : null;
        d.label = list(n.path("label"));
        d.features = list(n.path("features"));
        d.sampleWeight = text(n, "sample_weight");
        d.table = text(n, "table");
        d.sql = text(n, "sql");
        d.fillNull = n.path("fill_null").isNumber() ? n.path("fill_null").asDouble() : null;
        d.featureCount = n.path("feature_count").asInt(0);
        d.labelCount = n.path("label_count").asInt(0);
        return d;
    }

    private static Output readOutput(JsonNode n) throws Failure {
        Output o = new Output();
        o.path = need(n, "path");
        o.format = n.path("format").asText("parquet");
        o.overwrite = n.path("overwrite").asBoolean(false);
        o.predictClass = n.path("predict_class").asBoolean(false);
        o.array = n.path("array").asBoolean(true);
        o.units = n.path("units").asInt(1);
        return o;
    }

    private static String text(JsonNode n, String key) {
        return n.path(key).isTextual() ? n.path(key).asText() : null;
    }

    private static String need(JsonNode n, String key) throws Failure {
        String value = text(n, key);
        if (value == null) {
            throw new Failure("the order of elephasd has no " + key);
        }
        return value;
    }

    private static List<String> list(JsonNode n) {
        List<String> out = new ArrayList<>();
        n.forEach(item -> out.add(item.asText()));
        return out;
    }
}
