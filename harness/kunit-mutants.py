#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run KUnit on user-mode Linux with one mutant of the store after the other.

kunit-mutants.py DIRECTORY FILTER PATTERN N

DIRECTORY has src-mutants and um-kunit-mutants, built by kunit.sh. See kunit-mutants.sh. The
mutants are those of tools/testing/klp-shadow/mutants.py.
"""
import hashlib, os, re, subprocess, sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, f'{TOP}/tools/testing/klp-shadow')
import mutants

FILES = ['shadow_type.c', 'shadow_patch.c', 'shadow_check.c', 'shadow_reclaim.c']
# Code after this line needs the livepatch core, which user-mode Linux does not have.
END = '#ifdef CONFIG_LIVEPATCH'
LIMIT = 60


class Kernel:
    def __init__(self, directory, pattern):
        self.src, self.obj = f'{directory}/src-mutants', f'{directory}/um-kunit-mutants'
        self.filter = pattern

    def path(self, file):
        return f'{self.src}/kernel/livepatch/{file}'

    def make(self, target):
        return subprocess.run(['make', '-s', '-C', self.src, f'O={self.obj}', 'ARCH=um',
                               'KBUILD_BUILD_TIMESTAMP=@0', target],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode

    def code(self, file):
        with open(f'{self.obj}/kernel/livepatch/{file[:-2]}.o', 'rb') as f:
            return hashlib.sha1(f.read()).hexdigest()

    def run(self):
        """The test that fails, or what else does, or nothing."""
        run = subprocess.run([f'{TOP}/harness/kunit-py.sh', f'{self.obj}/test.log', 'exec',
                              f'--build_dir={self.obj}', f'--timeout={LIMIT}', self.filter],
                             capture_output=True, text=True, errors='replace')
        if not run.returncode:
            return ''
        seen = re.search(r'^not ok \d+ (.+)', run.stdout, re.M) or re.search(r'sh: (.*);', run.stderr)
        return seen.group(1)


def is_once(name):
    """Whether a mutant only makes an access plain, which one processor cannot notice."""
    old, _, new = name.partition(' => ')
    plain = re.sub(r'\bWRITE_ONCE\(([^,]+), (.+?)\);', r'(\1) = (\2);', old.partition(': ')[2])
    return new.strip() in (plain, *(old.partition(': ')[2].replace('READ_ONCE(', '(', 1),))


def main():
    kernel = Kernel(sys.argv[1], sys.argv[2])
    pattern, every = sys.argv[3], int(sys.argv[4])
    reasons = mutants.explained(f'{TOP}/harness/kunit-mutants.explained')
    done, n = [], 0
    for file in FILES:
        with open(kernel.path(file)) as f:
            source = f.read()
        known = {kernel.code(file)}
        head, mark, tail = source.partition(END)
        try:
            for mutant in mutants.mutants_of(file, head):
                if not re.search(pattern, mutant.name) or is_once(mutant.name):
                    continue
                n += 1
                if n % every:
                    continue
                with open(kernel.path(file), 'w') as f:
                    f.write(mutant.sources[file] + mark + tail)
                if kernel.make(f'kernel/livepatch/{file[:-2]}.o'):
                    mutant.result = 'does not compile'
                elif kernel.code(file) in known:
                    mutant.result = 'identical'
                elif kernel.make('linux'):
                    mutant.result = 'does not link'
                else:
                    known.add(kernel.code(file))
                    seen = kernel.run()
                    mutant.result = f'caught by {seen}' if seen else 'survived'
                if mutant.result == 'survived' and mutant.name in reasons:
                    mutant.result = 'explained'
                done.append(mutant)
                print(f'{mutant.result}: {mutant.name}', flush=True)
        finally:
            with open(kernel.path(file), 'w') as f:
                f.write(source)
    if not done:
        sys.exit(f'kunit-mutants.py: of {n} mutants that match the pattern, none is chosen')
    return int(mutants.too_many_survive(done))


if __name__ == '__main__':
    sys.exit(main())
