#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The options in the man pages, from the programs themselves.

    options.py BINDIR           rewrites them
    options.py --check BINDIR   ends with status 1 if a page is not current

A page marks the place with a comment that names the command whose --help has
the options; what stands between the comments is made here:

    .\\" options of: elephas-submit train
    .\\" end of options
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PLACE = re.compile(r'(\.\\" options of: (.+)\n)(?:.*\n)*?(\.\\" end of options\n)')
OPTION = re.compile(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?(?: +(\S.*))?$")
MORE = re.compile(r"^ {30}(\S.*)$")
HEADING = re.compile(r"^([A-Z][\w ]*):$")


def parse(text):
    """[(heading, [[letter, name, value, help], ...]), ...]"""
    groups, current = [], None
    for line in text.splitlines():
        heading, option, more = HEADING.match(line), OPTION.match(line), MORE.match(line)
        if heading:
            groups.append((heading.group(1), []))
            current = None
        elif option:
            current = [option.group(1), option.group(2), option.group(3), option.group(4) or ""]
            if not groups:
                groups.append((None, []))
            groups[-1][1].append(current)
        elif more and current is not None:
            current[3] = (current[3] + " " + more.group(1)).strip()
        elif line.strip():
            current = None
    return groups


def quoted(text):
    text = text.replace("\\", "\\e").replace("()", "\\&()")
    return "\\&" + text if text[:1] in (".", "'") else text


def macro(group, wide):
    letter, name, value, text = group
    item = f".It Fl {letter} , Fl \\-{name}" if letter else f".It Fl \\-{name}"
    if value:
        item += f" Ar {quoted(value)}"
    return [item, *wrap(quoted(text) + ".", wide)]


def wrap(text, wide):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > wide:
            lines.append(line)
            line = quoted(word)
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def render(groups):
    out = []
    for heading, options in groups:
        if heading:
            out.extend([".Pp", f"{heading}:"] if out else [f"{heading}:"])
        out.append(".Bl -tag -width Ds")
        for option in options:
            out.extend(macro(option, 78))
        out.append(".El")
    return "\n".join(out) + "\n"


def options_of(bin_dir, command):
    program, *words = command.split()
    shown = subprocess.run([os.path.join(bin_dir, program), *words, "--help"], capture_output=True,
                           text=True, check=True, timeout=20)
    groups = parse(shown.stdout)
    if not groups:
        raise SystemExit(f"options.py: {command} --help shows no options")
    return render(groups)


def main():
    check = "--check" in sys.argv
    bin_dir = [a for a in sys.argv[1:] if a != "--check"][0]
    stale = 0
    for page in sorted(os.listdir(HERE)):
        if not page.endswith((".1", ".8")):
            continue
        path = os.path.join(HERE, page)
        with open(path, encoding="utf-8") as f:
            old = f.read()
        new = PLACE.sub(lambda m: m.group(1) + options_of(bin_dir, m.group(2).strip()) + m.group(3), old)
        if new != old and check:
            print(f"docs/man/{page}: the options are not those of the program; run docs/man/options.py BINDIR")
            stale += 1
        elif new != old:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)
            print(f"docs/man/{page}: rewritten")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
