#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cut the overlay into patches.

usage: series.py STOCK OVERLAID REPOSITORY < NAMES

Makes a git repository with one commit for each harness/series/NN-*.txt after 00. NAMES are the
files that the overlay writes; their versions before are those of the tree STOCK, those after
all patches in the tree OVERLAID.

A text has the commit message, a line "Files:", and names of files, or of directories with a
slash at the end. Below a name may be commands, indented by a tab, which take away what the
patch adds to a file that an earlier patch has brought: a script of sed -E, or "without NAME...",
which removes the definitions of these names. So the last version of each file is the only one
that is kept.
"""

import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def die(message):
    sys.exit(f"series.py: {message}")


def read(path):
    with open(path) as f:
        return f.read()


class Patch:
    def __init__(self, name, files):
        self.name = name
        text = read(os.path.join(HERE, name))
        if "\nFiles:\n" not in text:
            die(f"{name} has no line 'Files:'")
        self.message, listed = text.split("\nFiles:\n")
        self.cuts = {}  # commands for each file; none if the patch brings it
        for line in listed.splitlines():
            if line.startswith("\t"):
                self.cuts[matching[-1]].append(line[1:])
                continue
            if not line:
                continue
            matching = [f for f in files if f == line or line.endswith("/") and f.startswith(line)]
            if not matching:
                die(f"{name}: {line} is not a file of the overlay")
            for f in matching:
                if f in self.cuts:
                    die(f"{name} has {f} twice")
                self.cuts[f] = []


def definitions(text):
    """Split at blank lines outside of braces: a comment stays with what is below it."""
    parts, inside = [""], False
    for line in text.splitlines(keepends=True):
        if line.startswith("}"):
            inside = False
        elif re.match(r"\{|[^\s/*#].*\{$", line):
            inside = True
        parts[-1] += line
        if line == "\n" and not inside:
            parts.append("")
    return parts


def defines(part, name):
    code = re.sub(r"/\*.*?\*/", "", part, flags=re.S).lstrip()
    return re.match(rf"(typedef [^(]*\(\*|(static )?[A-Z_]+\(){name}\b|[^(;=]*\b{name}\s*[({{;=[]", code)


def without(text, names):
    for name in names:
        parts = definitions(text)
        rest = [part for part in parts if not defines(part, name)]
        if len(rest) != len(parts) - 1:
            return None
        text = "".join(rest).rstrip("\n") + "\n"
    return text


def cut(text, command):
    """The text without what a command takes away, or None if there is no such thing."""
    if command.startswith("without "):
        return without(text, command.split()[1:])
    result = subprocess.run(["sed", "-E", command], input=text, capture_output=True, text=True)
    if result.returncode:
        die(f"sed -E '{command}': {result.stderr.strip()}")
    return result.stdout.rstrip("\n") + "\n" if result.stdout != text else None


def check(patches, files):
    """Each file is brought by one patch, and changed only by later ones."""
    for f in files:
        bring = [p.name for p in patches if p.cuts.get(f) == []]
        change = [p.name for p in patches if p.cuts.get(f)]
        if not bring:
            die(f"{f} is in no patch; add it to one of harness/series/*.txt")
        if len(bring) > 1:
            die(f"{f} is in two patches, {bring[0]} and {bring[1]}; one of them needs commands")
        if change and change[0] < bring[0]:
            die(f"{change[0]} changes {f} before {bring[0]} brings it")


def main():
    stock, overlaid, repository = sys.argv[1:]
    files = sys.stdin.read().split()
    names = sorted(n for n in os.listdir(HERE) if re.match(r"(?!00)\d\d-.*\.txt$", n))
    patches = [Patch(name, files) for name in names]
    check(patches, files)

    # From the last version of each file back to the first.
    versions = [{} for _ in patches]
    for f in files:
        text = None
        for patch, version in reversed(list(zip(patches, versions))):
            if f not in patch.cuts:
                continue
            text = read(os.path.join(overlaid, f)) if text is None else text
            version[f] = text
            for command in patch.cuts[f]:
                text = cut(text, command)
                if text is None:
                    die(f"{patch.name}: nothing in {f} fits '{command}'; has the file changed?")

    def git(*args, **kwargs):
        if subprocess.run(["git", "-C", repository, *args], **kwargs).returncode:
            die(f"git {args[0]} failed")

    os.makedirs(repository)
    git("init", "-q", "-b", "master")
    for f in files:
        os.makedirs(os.path.dirname(os.path.join(repository, f)), exist_ok=True)
        if os.path.exists(os.path.join(stock, f)):
            shutil.copy(os.path.join(stock, f), os.path.join(repository, f))
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    git("tag", "base")
    for patch, version in zip(patches, versions):
        for f, text in version.items():
            path = os.path.join(repository, f)
            with open(path, "w") as out:
                out.write(text)
            shutil.copymode(os.path.join(overlaid, f), path)
        git("add", "-A")
        git("commit", "-q", "-s", "-F", "-", input=patch.message, text=True)


main()
