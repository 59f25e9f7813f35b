# SPDX-License-Identifier: MIT
"""What deploy/ holds for Spark and containers, as far as it can be checked
without a cluster: manifests against the schemas of Kubernetes and against
each other, every setting against the Spark and the elephasd that will read
it, the container's packages against what the programs link.

    check_deploy.py BINDIR SPARK_HOME       in the venv of requirements.txt
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile

import kubernetes_validate
import yaml

BIN, SPARK = map(os.path.abspath, sys.argv[1:3])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = os.path.join(ROOT, "deploy")
RENDER = os.path.join(DEPLOY, "spark", "kubernetes", "render.sh")
VERSIONS = ("1.30", "1.33", "1.37")


def read(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as f:
        return f.read()


def render(*args):
    out = subprocess.run([RENDER, *args], capture_output=True, text=True, check=False)
    return out.returncode, out.stdout, out.stderr


def manifests():
    status, out, err = render("--image", "r.example/elephasd:0.1.0", "--namespace", "ml")
    assert status == 0, err
    assert not re.search(r"@[A-Z_]+@", out), "a name is left to fill in"
    return list(yaml.safe_load_all(out))


def one(documents, kind):
    found = [d for d in documents if d["kind"] == kind]
    assert len(found) == 1, kind
    return found[0]


def validate(document):
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


def test_manifests_fit_the_schemas():
    documents = manifests()
    assert len(documents) == 9, len(documents)
    for document in documents:
        validate(document)
    validate(yaml.safe_load(one(documents, "ConfigMap")["data"]["executor.yaml"]) | {"metadata": {"name": "x"}})
    # the schemas see what is wrong
    broken = one(manifests(), "Deployment")
    broken["spec"]["replicas"] = "one"
    for wrong in (broken, {**one(documents, "Service"), "spek": {}}):
        try:
            validate(wrong)
        except kubernetes_validate.ValidationError:
            continue
        raise AssertionError("a manifest that is wrong is taken")


def test_manifests_fit_each_other():
    documents = manifests()
    deployment, service, config = (one(documents, k) for k in ("Deployment", "Service", "ConfigMap"))
    pod = deployment["spec"]["template"]
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    container = spec["containers"][0]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports[service["spec"]["ports"][0]["targetPort"]] == service["spec"]["ports"][0]["port"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    account = one(documents, "ServiceAccount")["metadata"]["name"]
    binding = one(documents, "RoleBinding")
    assert spec["serviceAccountName"] == account == binding["subjects"][0]["name"]
    assert binding["roleRef"]["name"] == one(documents, "Role")["metadata"]["name"]
    namespaces = {d["metadata"].get("namespace", d["metadata"]["name"]) for d in documents}
    assert namespaces == {"ml"} == {binding["subjects"][0]["namespace"]}, namespaces
    volumes = {v["name"]: v for v in spec["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == set(volumes)
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == \
        one(documents, "PersistentVolumeClaim")["metadata"]["name"]
    # what the files name is where they are put
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    spark, daemon = (settings(config["data"][n], e) for n, e in (("spark-defaults.conf", None), ("elephasd.conf", "=")))
    name = f"{service['metadata']['name']}.ml.svc"
    assert spark["spark.driver.host"] == name
    assert daemon["advertise"] == f"{name}:{ports['http']}"
    assert daemon["state-dir"] == mounts["state"]
    assert container["args"] == ["--config", mounts["config"] + "/elephasd.conf"]
    assert container["env"] == [{"name": "SPARK_CONF_DIR", "value": mounts["config"]}]
    assert spark["spark.kubernetes.executor.podTemplateFile"] == mounts["config"] + "/executor.yaml"
    assert spark["spark.kubernetes.authenticate.serviceAccountName"] == account
    executor = yaml.safe_load(config["data"]["executor.yaml"])["metadata"]["labels"]
    policy = one(documents, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"].items() <= executor.items()


def test_render_wants_names():
    for args, says in (([], "--image"), (["--image"], "wants a value"), (["--nope", "x"], "unknown option"),
                       (["--image", "a b"], "a name is wanted"), (["--image", "x|w /etc/y"], "a name is wanted"),
                       (["--image", "x", "--namespace", ""], "a name is wanted")):
        status, out, err = render(*args)
        assert status == 2 and says in err and not out, (args, status, err)


def settings(text, equals=None):
    out = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            key, value = line.split(equals, 1)
            out[key.strip()] = value.strip()
    return out


def commented(text):
    """Settings that are there to be uncommented are checked too."""
    return re.sub(r"(?m)^#(?=spark\.)", "", text)


def constants():
    """The text of all classes of Spark that name settings."""
    data = []
    for jar in glob.glob(f"{SPARK}/jars/spark-[cknyl]*.jar"):
        with zipfile.ZipFile(jar) as z:
            data += [z.read(n) for n in z.namelist() if n.endswith(".class") and
                     re.search(r"onfig|SparkConf|SparkSubmit|spark/deploy", n)]
    return b"\n".join(data)


def test_spark_knows_every_setting():
    texts = constants()
    keys = {**settings(commented(read("spark", "yarn", "spark-defaults.conf"))),
            **settings(one(manifests(), "ConfigMap")["data"]["spark-defaults.conf"])}
    assert len(keys) > 15, keys
    for key in keys:
        parts = [key, key.removeprefix("spark.kubernetes.authenticate."), key.removeprefix("spark.kubernetes.")]
        assert any(p.encode() in texts for p in parts), f"Spark does not know {key}"
    assert b"spark.executor.memoryOverheat" not in texts


def test_elephasd_knows_its_settings():
    texts = {"yarn": read("spark", "yarn", "elephasd.conf"),
             "kubernetes": one(manifests(), "ConfigMap")["data"]["elephasd.conf"]}
    for name, text in texts.items():
        with tempfile.TemporaryDirectory() as work:
            config, state = f"{work}/elephasd.conf", f"{work}/state"
            with open(config, "w", encoding="utf-8") as f:
                f.write(text)
            with subprocess.Popen([f"{BIN}/elephasd", "--config", config, "--state-dir", state, "--listen",
                                   "127.0.0.1:0"], stderr=subprocess.PIPE, text=True) as p:
                deadline = time.monotonic() + 60
                while not os.path.exists(f"{state}/address") and p.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.02)
                started = p.poll() is None and os.path.exists(f"{state}/address")
                p.terminate()
                _, said = p.communicate(timeout=60)
                assert p.returncode == 0 and started, (name, p.returncode, started, said)


def test_units_start_what_spark_has():
    with zipfile.ZipFile(glob.glob(f"{SPARK}/jars/spark-core_*.jar")[0]) as z:
        names = set(z.namelist())
    for unit in ("spark-master.service", "spark-worker.service"):
        text = read("spark", "standalone", unit)
        assert re.findall(r"(?m)^\[(\w+)\]$", text) == ["Unit", "Service", "Install"], unit
        main = re.search(r"org\.apache\.spark\.deploy\.\S+", text).group(0)
        assert main.replace(".", "/") + ".class" in names, main
        assert "EnvironmentFile=/etc/default/spark" in text


def linked_packages():
    """The packages of the libraries that the programs link themselves."""
    out = set()
    for program in ("elephasd", "elephas-submit", "elephas-worker"):
        path = f"{BIN}/{program}"
        needed = re.findall(r"NEEDED\s+(\S+)", subprocess.run(["objdump", "-p", path], check=True, text=True,
                                                              capture_output=True).stdout)
        where = dict(re.findall(r"(\S+) => (\S+)", subprocess.run(["ldd", path], check=True, text=True,
                                                                  capture_output=True).stdout))
        for name in needed:
            real = os.path.realpath(where.get(name, "/nowhere"))
            for candidate in (real, real.removeprefix("/usr")):
                owner = subprocess.run(["dpkg-query", "-S", candidate], text=True, capture_output=True, check=False)
                if owner.returncode == 0:
                    out.add(owner.stdout.split(":")[0])
                    break
            else:
                raise AssertionError(f"no package has {name} ({real})")
    return out


def test_the_container_has_what_the_programs_link():
    text = read("container", "Containerfile").replace("\\\n", " ")
    for word in re.findall(r"(?m)^(\S+)", re.sub(r"(?m)^#.*$", "", text)):
        assert word in ("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"), word
    for image in re.findall(r"(?m)^FROM (\S+)", text):
        assert re.fullmatch(r"\S+:[a-z0-9.-]+", image) and not image.endswith(":latest"), image
    for source in re.findall(r"(?m)^COPY (?!--from)(\S+) ", text):
        assert os.path.exists(os.path.join(ROOT, source)), source
    installed = set(text.split("AS build")[1].split("FROM")[1].split())
    missing = linked_packages() - installed - {"libc6", "libgcc-s1"}
    assert not missing, f"not installed in the container: {missing}"


def sources():
    """What the programs and the bridge may say, with literals put together."""
    text = ""
    for path in glob.glob(f"{ROOT}/driver/**/*.[cj]*", recursive=True) + glob.glob(f"{ROOT}/worker/*.c"):
        with open(path, encoding="utf-8") as f:
            text += f.read()
    return re.sub(r'"[\s\\]*\+?[\s\\]*"', "", text)


def test_messages_of_the_document_are_real():
    """Each row of the troubleshooting table has words that are said."""
    with open(f"{ROOT}/docs/SPARK.md", encoding="utf-8") as f:
        table = f.read().split("## Troubleshooting")[1]
    said, count, wrong = sources(), 0, []
    for message in re.findall(r"(?m)^\| `(.+?)`", table):
        # names, numbers and quoted words are not in the source
        parts = re.split(r"\.\.\.|[^ ]*[/0-9][^ ]*|[^ ]*:[^ ]+|\b[A-Z]{1,4}\b|'[^']*'|[()]", message)
        runs = [" ".join(words[i:j]) for words in map(str.split, parts)
                for i in range(len(words)) for j in range(i + 2, len(words) + 1)]
        if not any(len(run) >= 10 and run in said for run in runs):
            wrong.append(message)
        count += 1
    assert count > 20 and not wrong, wrong


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("FAILED:", name)
                traceback.print_exc(file=sys.stdout)
    if os.environ.get("CHECK_TALLY"):
        with open(os.environ["CHECK_TALLY"], "a", encoding="utf-8") as f:
            f.write(f"{passed} {failed}\n")
    print(f"deploy: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
