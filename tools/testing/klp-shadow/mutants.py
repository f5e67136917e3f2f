#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make hundreds of small changes to the shadow store, and check that its tests fail.

mutants.py [-j N] [-k PATTERN] [-f FILE] [-l] OURS KSRC OUT [PATCH...]

OURS is the tree with the store, KSRC is a kernel tree, and OUT is for all output. Each mutant
changes one thing in a function of shadow.c, shadow_table.c or shadow_reclaim.c, or in
shadow_table.h's inline ones, and is run against model, steps and threads. The patches
run first. Mutants that do not compile, or whose object code is that of the original or
of an earlier one, do not count. -k takes only those that match the pattern, -f those
that the file lists; -l prints their names and does not run them.

mutants.explained lists mutants that may survive, with a reason. Fails if more than 5% survive
without a reason, or if a patch survives.
"""
import argparse, concurrent.futures, hashlib, os, re, shutil, signal, subprocess, sys, threading

STORE = ['shadow', 'shadow_table', 'shadow_reclaim']
INLINE = 'shadow_table.h'
FILES = [f'{name}.c' for name in STORE] + [INLINE]
HERE = os.path.dirname(os.path.abspath(__file__))

# Statements without an effect, or without one that the tests could see.
SKIP = re.compile(r'(lockdep_assert|pr_debug|cond_resched|trace_klp_shadow)')
DECLARATION = re.compile(r'(static|const|unsigned|struct|enum|bool|void|int|long|u\d+|size_t|gfp_t|'
                         r'HLIST_HEAD|LLIST_HEAD|LIST_HEAD)\b[^(]*')
HEADER = re.compile(r'(if|for|while|\w*for_each\w*)\s*\(|(else|do)\b')

# (pattern, replacements) in an expression; replacements may refer to groups of the pattern.
CHANGES = [(re.compile(p), r) for p, r in [
    (r' < ', [' <= ', ' > ']), (r' > ', [' >= ', ' < ']), (r' <= ', [' < ']), (r' >= ', [' > ']),
    (r' == ', [' != ']), (r' != ', [' == ']), (r' && ', [' || ']), (r' \|\| ', [' && ']),
    (r' \+ ', [' - ']), (r'(?<=\S) - (?=\S)', [' + ']), (r' / ', [' * ']), (r' \+= ', [' -= ']),
    (r' \^ ', [' | ']), (r' >> ', [' << ']), (r' % ', [' / ']), (r'\+\+', ['--']), (r'--', ['++']),
    (r' \? ', [' && 0 ? ', ' || 1 ? ']), (r'(\w+) \?: (\w+)', [r'\1', r'\2']),
    (r'\btrue\b', ['false']), (r'\bfalse\b', ['true']), (r'!(?=[\w(])', ['']),
    (r' \| __GFP_\w+', ['']), (r'__GFP_\w+ \| ', ['']), (r'\bmin_t\b', ['max_t']),
    (r'\bmax\(', ['min(']), (r'\bHZ\b', ['(2 * HZ)']),
    (r'\brcu_assign_pointer\(', ['RCU_INIT_POINTER(']),
    (r'\bsmp_store_release\(([^,]+), ', [r'WRITE_ONCE(*(\1), ']),
    (r'\bREAD_ONCE\(', ['(']), (r'\bWRITE_ONCE\(([^,]+), (.+)\)', [r'(\1) = (\2)']),
    (r'\bkfree_rcu\((\w+), rcu\)', [r'kfree(\1)']), (r'_add_head_rcu\(', ['_add_head(']),
    (r'\blikely\(', ['unlikely(']),
]]
NUMBER = re.compile(r'(?<![\w.])(\d+)(?![\w.])')


def masked(text):
    """Replace comments and strings by blanks of the same length."""
    blank = lambda m: re.sub(r'[^\n]', ' ', m.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\])\'', blank, text, flags=re.S)


def closing(code, pos):
    """The position of the bracket that closes the one at pos."""
    depth = 0
    while True:
        depth += {'(': 1, ')': -1}.get(code[pos], 0)
        if not depth:
            return pos
        pos += 1


def operands(code, start, end):
    """The operands of && or || at the top level of a condition."""
    cuts, depth = [], 0
    for pos in range(start, end):
        depth += {'(': 1, ')': -1}.get(code[pos], 0)
        if not depth and code[pos:pos + 2] in ('&&', '||'):
            cuts.append((pos, code[pos:pos + 2]))
    if len({kind for _, kind in cuts}) != 1:
        return
    bounds = [start] + [pos for pos, _ in cuts] + [end]
    for n in range(len(bounds) - 1):
        if n == 0:
            yield bounds[0], bounds[1] + 2, ' '
        else:
            yield bounds[n], bounds[n + 1], ' '


def expressions(code, start, end):
    part = code[start:end]
    for pattern, replacements in CHANGES:
        for match in pattern.finditer(part):
            for new in replacements:
                yield start + match.start(), start + match.end(), match.expand(new)
    for match in NUMBER.finditer(part):
        n = int(match.group(1))
        for new in {n + 1, max(n - 1, 0)} - {n}:
            yield start + match.start(), start + match.end(), str(new)


def body_mutants(code, start, end):
    """(start, end, new text) of each change in a function's body."""
    pos, bare, before = start, False, None
    while pos < end:
        if code[pos].isspace():
            pos += 1
            continue
        if code[pos] in '{};':
            pos, bare, before = pos + 1, False, None
            continue
        header = HEADER.match(code, pos)
        if header and header.group(2):
            pos, bare, before = header.end(), True, None
            continue
        if header:
            kind, left = header.group(1), header.end() - 1
            right = closing(code, left)
            if kind == 'for':
                left = code.index(';', left)
                cond = code.index(';', left + 1)
                yield from expressions(code, left + 1, right)
                if code[left + 1:cond].strip():
                    yield left + 1, cond, f' !({code[left + 1:cond].strip()})'
            elif kind in ('if', 'while'):
                old = code[left + 1:right]
                yield left + 1, right, f'!({old})'
                yield left + 1, right, '0'
                if kind == 'if':
                    yield left + 1, right, '1'
                yield from operands(code, left + 1, right)
                yield from expressions(code, left + 1, right)
            pos, bare, before = right + 1, True, None
            continue
        stop, depth = pos, 0
        while code[stop] != ';' or depth:
            depth += {'(': 1, ')': -1, '{': 1, '}': -1}.get(code[stop], 0)
            stop += 1
        stop += 1
        text = code[pos:stop]
        if SKIP.match(text):
            before = None
        elif DECLARATION.match(text):
            if '=' in text:
                yield from expressions(code, pos + text.index('='), stop)
            before = None
        else:
            yield pos, stop, ';'
            yield from expressions(code, pos, stop)
            if before and not text.startswith('return') and \
                    not independent(code[before[0]:before[1]], text):
                yield before[0], stop, text + code[before[1]:pos] + code[before[0]:before[1]]
            before = None if bare else (pos, stop)
        pos, bare = stop, False


def functions(code):
    """(name, start, end) of each function's body."""
    for match in re.finditer(r'^\{$', code, re.M):
        head = code[:match.start()].rstrip()
        head = head[max(head.rfind('\n\n'), head.rfind('\n}'), head.rfind(';\n')):]
        if '(' in head:
            name = re.search(r'(\w+)\s*\(', head).group(1)
            yield name, match.end(), code.index('\n}\n', match.start())


def squeeze(text):
    return re.sub(r'\s+', ' ', text).strip()


def independent(first, second):
    """Whether two assignments can be swapped without a difference."""
    one, two = (re.match(r'(?:--|\+\+)?([^()=]+?) ?(?:[-+|]?=|;)[^(]*(?:\(struct \w+ \*\)[^(]*)?;?$', s)
                for s in (first, second))
    return one and two and one.group(1) not in second and two.group(1) not in first


class Mutant:
    def __init__(self, name, sources, changed):
        self.name, self.sources, self.changed = name, sources, changed
        self.result = None


def mutants_of(file, source):
    code, seen, counts = masked(source), {source}, {}
    changes = [('#define', a, b, new) for m in re.finditer(r'^#define KLP_SHADOW_\w+\s+(?=\S)', code, re.M)
               for a, b, new in expressions(code, m.end(), code.index('\n', m.end()))]
    changes += [(name, a, b, new) for name, start, end in functions(code)
                for a, b, new in body_mutants(code, start, end)]
    for name, start, end, new in changes:
        # Keep the number of lines, so that line numbers in messages do not change.
        lines = source.count('\n', start, end) - new.count('\n')
        text = source[:start] + new + '\n' * max(lines, 0) + source[end:]
        if text in seen:
            continue
        seen.add(text)
        # The name has the whole lines, to be readable.
        first = source.rindex('\n', 0, start) + 1
        last = source.index('\n', end)
        key = '%s: %s => %s' % (name, squeeze(code[first:last]),
                                squeeze(code[first:start] + new + code[end:last]) or ';')
        counts[key] = counts.get(key, 0) + 1
        if counts[key] > 1:
            key += ' #%d' % counts[key]
        yield Mutant(key, {file: text}, file)


def patched(patch, store, out):
    """A patch of harness/busted as a mutant, or None if it is not about these files."""
    name = os.path.splitext(os.path.basename(patch))[0]
    with open(patch) as f:
        touched = re.findall(r'^\+\+\+ b/(\S+)', f.read(), re.M)
    if not touched or any(os.path.basename(t) not in FILES for t in touched):
        return None
    tree = f'{out}/patch'
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(f'{tree}/kernel/livepatch')
    for file in FILES:
        shutil.copy(f'{store}/{file}', f'{tree}/kernel/livepatch')
    run = subprocess.run(['patch', '-s', '-p1', '-d', tree, '-i', os.path.abspath(patch)],
                         capture_output=True)
    if run.returncode:
        return Mutant(f'patch {name}', None, None)
    sources = {f: open(f'{tree}/kernel/livepatch/{f}').read() for f in map(os.path.basename, touched)}
    return Mutant(f'patch {name}', sources,
                  INLINE if INLINE in sources or len(sources) > 1 else list(sources)[0])


def run_limited(command, seconds, **options):
    """Status and output of a command, which is killed with its children; -1 if it takes longer."""
    child = subprocess.Popen(command, start_new_session=True, **options)
    try:
        output = child.communicate(timeout=seconds)[0]
        return child.returncode, output
    except subprocess.TimeoutExpired:
        return -1, b''
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()


class Runner:
    """Compiles and runs mutants; each thread has a directory."""
    TESTS = [('model', 'model', ['1', '60000']), ('model', 'steps', []),
             ('threads', 'threads', ['0.5']), ('model', 'model', ['2', '250000']),
             ('threads', 'threads', ['1.5'])]

    def __init__(self, store, ksrc, out):
        self.store, self.out = store, out
        self.tests = f'{out}/tree/tools/testing/klp-shadow'
        make = ['make', '-s', '-C', self.tests, f'KSRC={os.path.abspath(ksrc)}', f'O={out}']
        subprocess.run(make + [f'{out}/{d}/{t}-bin' for d, t, _ in self.TESTS[:3]], check=True)
        self.cc = {v: subprocess.run(make + [f'cc-{v}'], check=True, capture_output=True,
                                     text=True).stdout.split() for v in ('model', 'threads')}
        self.lock, self.codes, self.original = threading.Lock(), set(), set()
        original = self.run(Mutant('the original', {}, INLINE))
        if original.result != 'survived':
            sys.exit(f'the original is {original.result}')

    def compile(self, variant, dir, name, objects):
        source = f'{dir if name.startswith("shadow") else self.tests}/{name}.c'
        target = objects[variant, name] = f'{dir}/{variant}-{name}.o'
        command = [word for word in self.cc[variant] if word != '-g']
        command[1:1] = [f'-I{dir}', '-Werror=return-type']
        return not subprocess.run(command + ['-c', '-o', target, source], cwd=self.tests,
                                  stderr=subprocess.DEVNULL).returncode

    def known(self, mutant, objects):
        """Whether the original has such code, or another mutant. Remembers it."""
        hashes = []
        for name in objects:
            with open(name, 'rb') as f:
                hashes.append(hashlib.sha1(f.read()).hexdigest())
        code = ' '.join(hashes)
        with self.lock:
            if not mutant.sources:
                self.original.update(hashes + [code])
                return ''
            if code in self.original:
                return 'original'
            known = code in self.codes
            self.codes.add(code)
            return 'mutant' if known else ''

    def execute(self, command):
        return run_limited(['/bin/sh', '-c', 'ulimit -t 6; exec "$@"', 'sh'] + command, 40,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, 'NO_REDUCE': '1'})[0]

    def run(self, mutant):
        dir = f'{self.out}/mutant-{threading.get_ident()}'
        os.makedirs(dir, exist_ok=True)
        for file in FILES:
            if file in mutant.sources:
                with open(f'{dir}/{file}', 'w') as f:
                    f.write(mutant.sources[file])
            else:
                shutil.copy(f'{self.store}/{file}', dir)
        stores, tests = [mutant.changed[:-2]], {'model': [], 'threads': []}
        if mutant.changed == INLINE:
            stores, tests = STORE, {'model': ['model', 'steps'], 'threads': ['threads']}
        objects, built = {}, set()
        for variant, test, args in self.TESTS:
            if (variant, stores[0]) not in objects:
                if not all(self.compile(variant, dir, name, objects) for name in stores + tests[variant]):
                    mutant.result = 'does not compile'
                    return mutant
                same = self.known(mutant, [objects[variant, n] for n in stores + tests[variant]])
                if same == 'mutant' or same and variant == 'threads':
                    mutant.result = 'identical'
                    return mutant
            # Identical in this variant, but perhaps not in the other one.
            if same:
                continue
            binary = f'{dir}/{test}'
            if test not in built:
                files = [objects.get((variant, n), f'{self.out}/{variant}/{n}.o')
                         for n in STORE + ['shim', 'llist', test]]
                if subprocess.run(self.cc[variant][:4] + ['-pthread', '-o', binary] + files).returncode:
                    sys.exit(f'{mutant.name} cannot be linked')
                built.add(test)
            if self.execute([binary] + args):
                mutant.result = f'caught by {test}'
                return mutant
        mutant.result = 'survived'
        return mutant


def explained(path):
    """Names of the mutants in mutants.explained, with the reason from the comment before."""
    reasons, reason, last = {}, '', ''
    with open(path) as f:
        for line in map(str.rstrip, f):
            if line.startswith('# '):
                reason = line[2:].strip() if not last.startswith('# ') else f'{reason} {line[2:].strip()}'
            elif line:
                reasons[line] = reason
            last = line
    return reasons


def too_many_survive(done):
    """Print a summary; whether more than 5% survive without a reason."""
    count = lambda *words: sum(m.result.startswith(words) for m in done)
    total = count('caught', 'survived', 'explained')
    print(f'# {total} mutants, {count("caught")} caught, {count("explained")} explained, '
          f'{count("survived")} survived; {count("identical")} identical, '
          f'{count("does not")} not compiled')
    for mutant in done:
        if mutant.result == 'survived':
            print(f'# survived: {mutant.name}')
    return count('survived') > total / 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('-j', type=int, default=os.cpu_count())
    parser.add_argument('-k', default='')
    parser.add_argument('-f')
    parser.add_argument('-l', action='store_true')
    parser.add_argument('ours')
    parser.add_argument('ksrc')
    parser.add_argument('out')
    parser.add_argument('patch', nargs='*')
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    # Test a copy: the tree may be edited while the mutants run.
    store = f'{out}/tree/kernel/livepatch'
    shutil.rmtree(f'{out}/tree', ignore_errors=True)
    shutil.copytree(f'{args.ours}/kernel/livepatch', store)
    shutil.copytree(HERE, f'{out}/tree/tools/testing/klp-shadow')
    shutil.copytree(f'{args.ours}/include', f'{out}/tree/include')

    mutants = [m for m in (patched(p, store, out) for p in args.patch) if m]
    for mutant in mutants:
        if not mutant.sources:
            print(f'# {mutant.name} does not apply')
    mutants = [m for m in mutants if m.sources]
    for file in FILES:
        with open(f'{store}/{file}') as f:
            mutants += mutants_of(file, f.read())
    mutants = [m for m in mutants if re.search(args.k, m.name)]
    if args.f:
        with open(args.f) as f:
            names = set(f.read().splitlines())
        mutants = [m for m in mutants if m.name in names]
    if not mutants:
        sys.exit('mutants.py: no mutant fits; -l lists their names')
    if args.l:
        print('\n'.join(m.name for m in mutants))
        return 0

    runner, reasons = Runner(store, args.ksrc, out), explained(f'{HERE}/mutants.explained')
    done = []
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        for mutant in pool.map(runner.run, mutants):
            done.append(mutant)
            if mutant.result == 'survived' and mutant.name in reasons:
                mutant.result = 'explained'
            print(f'{mutant.result}: {mutant.name}', flush=True)
    for name in set(reasons) - {m.name for m in done if m.result in ('explained', 'identical')}:
        if not args.k and not args.f:
            print(f'# explained, but caught or not there: {name}')
    bad = any(m.result == 'survived' and m.name.startswith('patch') for m in done)
    return int(too_many_survive(done) or bad)


if __name__ == '__main__':
    sys.exit(main())
