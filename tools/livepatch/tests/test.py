#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Usage: test.py KLP-SHADOW [fuzz [SECONDS [SEED]]]

Let klp-shadow read images of a kernel's memory, sound and damaged ones. Prints TAP. With
"fuzz": images with random damage. The result must be right, or the damage be reported; a
crash, a sanitizer's report or a run of more than 20 seconds is a failure.
"""
import collections
import concurrent.futures
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time

from image import Image, DATA, PAGES, PATCH, RAM, SHADOW, TABLE, btf

LIMIT = 20
QUICK = 6
NONE, ERROR, INCOMPLETE = 1, 2, 3


class Failure(Exception):
    """A test fails."""


def expect(condition, what):
    if not condition:
        raise Failure(what)


class Tests:
    """All tests, and the program that they test."""

    def __init__(self, program, directory):
        self.program = program
        self.kcore = os.path.join(directory, 'kcore')
        self.kallsyms = os.path.join(directory, 'kallsyms')
        self.btf = os.path.join(directory, 'btf')
        self.changed = os.path.join(directory, 'changed')
        self.preload = os.path.join(directory, 'change.so')

    # Running

    def command(self, *arguments):
        return [self.program, '--kcore', self.kcore, '--kallsyms', self.kallsyms,
                '--btf', self.btf, *arguments]

    def run(self, *arguments, before=(), env=None):
        """Returns the status, standard output and standard error."""
        command = [*before, *self.command(*arguments)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False,
                                  env=env)
        except subprocess.TimeoutExpired:
            raise Failure(f'{" ".join(command)}: runs for more than {LIMIT} s') from None
        errors = done.stderr.decode(errors='replace')
        expect(done.returncode in (0, NONE, ERROR, INCOMPLETE) and 'Sanitizer' not in errors and
               'runtime error' not in errors, f'crashes: status {done.returncode}: {errors}')
        if done.returncode in (ERROR, INCOMPLETE):
            expect(errors.startswith('klp-shadow: ') and errors.count('\n') == 1,
                   f'not one line: {errors!r}')
        else:
            expect(not errors, f'says with status {done.returncode}: {errors!r}')
        return done.returncode, done.stdout.decode(errors='replace'), errors

    def save(self, image, btf_data=b''):
        image.save(self.kcore)
        image.save_symbols(self.kallsyms)
        with open(self.btf, 'wb') as file:
            file.write(btf_data)

    def read(self, image, btf_data=b''):
        """Status, and what was printed as JSON."""
        self.save(image, btf_data)
        status, output, _ = self.run('--json')
        return status, json.loads(output) if status != ERROR else None

    def read_changing(self, change, at, size, *arguments):
        """Like read(), and the memory becomes that of @change before @size bytes @at are read."""
        if not os.path.exists(self.preload):
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'change.c')
            subprocess.run([os.environ.get('CC', 'cc'), '-shared', '-fPIC', '-O1', '-Wall',
                            '-o', self.preload, source, '-ldl'], check=True)
        change.save(self.changed)
        # The sanitizer wants to be the first library.
        env = dict(os.environ, LD_PRELOAD=self.preload, ASAN_OPTIONS='verify_asan_link_order=0',
                   CHANGE=f'{change.offset(at)} {size} {self.changed}')
        status, output, _ = self.run(*arguments, '--json', env=env)
        return status, json.loads(output)

    def watch(self, *steps):
        """
        Run watch while each of the steps replaces the image and symbols, if it is not None, 1.5 s
        after the one before. Returns what was printed as JSON, and to standard error.
        """
        with subprocess.Popen(self.command('watch', '--json'), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            for step in steps:
                time.sleep(1.5)
                if step:
                    step.save(self.changed)
                    # A moment with another size would be one without memory.
                    with open(self.changed, 'rb') as file, open(self.kcore, 'r+b') as kcore:
                        kcore.write(file.read())
                    step.save_symbols(self.changed)
                    os.rename(self.changed, self.kallsyms)
            expect(process.poll() is None, 'watch has ended')
            process.terminate()
            output, errors = process.communicate()
        return [json.loads(line) for line in output.splitlines()], errors.decode()

    def check(self, image, btf_data=b''):
        """All variables of the image are shown."""
        status, shown = self.read(image, btf_data)
        expect(status == 0, f'status {status}')
        expect(shown['complete'], 'not complete')
        counts = collections.Counter(f'{ident:#x}' for ident, _ in image.variables)
        found = {row['id']: row['variables'] for row in shown['ids'] if row['variables']}
        expect(found == counts, f'counts {found}, expected {dict(counts)}')
        _, output, _ = self.run('list', '--json')
        found = sorted((int(v['id'], 16), int(v['parent'], 16))
                       for v in json.loads(output)['list'])
        expect(found == sorted(image.variables), 'other variables are listed')
        return shown

    def refused(self, image, says):
        self.save(image)
        self.refused_files(says)

    def refused_files(self, says):
        status, output, errors = self.run()
        expect(status == ERROR, f'status {status}, expected an error')
        expect(says in errors, f'says {errors!r}, expected {says!r}')
        expect(not output, f'prints {output!r} before an error')

    def incomplete(self, image, missing):
        """The damage is reported; all but @missing variables are still shown."""
        status, shown = self.read(image)
        expect(status == INCOMPLETE, f'status {status}, expected {INCOMPLETE}')
        expect(not shown['complete'], 'says that it is complete')
        least = len(image.variables) - missing
        expect(least <= shown['variables'] <= len(image.variables),
               f'{shown["variables"]} variables, expected {least} to {len(image.variables)}')
        _, output, _ = self.run()
        expect('+' in output.splitlines()[1], 'a lower bound is not marked')

    # Sound images

    def images(self):
        """An image of each kind: its name and the image."""
        for big in False, True:
            order = 'big' if big else 'little'
            for stock in True, False:
                image = Image(stock, big)
                image.fill(300)
                yield f'{"stock" if stock else "ours"}, {order} endian', image
            for name, make in RESIZES.items():
                image = Image(False, big)
                make(image)
                yield f'{name}, {order} endian', image

    def test_sound(self):
        for name, image in self.images():
            try:
                self.check(image)
            except Failure as failure:
                raise Failure(f'{name}: {failure}') from None

    def test_empty(self):
        for stock in True, False:
            image = Image(stock, False)
            self.check(image)
            status, output, _ = self.run()
            expect(status == 0 and output.count('\n') == 1, f'prints {output!r}')

    def test_aliases(self):
        image = Image(False, False)
        image.fill(50)
        image.follow(image.first, image.first)
        for i in range(20):
            image.add_alias(RAM + i, 77)
        self.check(image)

    def test_aliases_while_resized(self):
        image = Image(False, False)
        large = image.new_table(13)
        image.follow(image.first, large)
        for i in range(20):
            image.add_alias(RAM + i, 77, (image.first, large)[i % 2])
        self.check(image)

    def test_twins(self):
        """Moved between the visits of two tables."""
        image = Image(False, False)
        large = image.new_table(13)
        image.follow(image.first, large)
        for i in range(20):
            image.add(RAM + i, 9, large)
            node = image.entry(RAM + i, 9)
            image.link(node, image.head(image.first, RAM + i, 9))
        self.check(image)

    def test_moved(self):
        """Moved to another parent between the visits of the two chains."""
        image = Image(False, False)
        image.fill(20)
        node = image.nodes[10]
        alias = image.entry(image.alias, image.variables[10][0])
        image.put(alias + SHADOW['target'], node)
        image.put(alias + SHADOW['parent'], RAM + 0x7770)
        image.link(alias, image.head(image.first, RAM + 0x7770, image.variables[10][0]))
        status, shown = self.read(image)
        expect(status == 0 and shown['variables'] == 20, f'status {status}: {shown}')

    def test_pages(self):
        """A dump in which each page is a segment."""
        for stock in True, False:
            image = Image(stock, False)
            image.fill(300)
            image.split()
            self.check(image)

    def test_types(self):
        image = Image(False, True)
        image.add_patch('livepatch_a', [('seen', 7, 24), ('empty', 8, 8)])
        image.add_patch('livepatch_b', [('seen', 7, 24)])
        image.add_patch('livepatch_gone', [('gone', 9, 8)], registered=False)
        image.add(RAM, 7)
        shown = self.check(image)
        rows = {row['id']: row for row in shown['ids']}
        expect(set(rows) == {'0x7', '0x8'}, f'ids {set(rows)}')
        expect([t['livepatch'] for t in rows['0x7']['types']] == ['livepatch_a', 'livepatch_b'],
               f'{rows["0x7"]}')
        expect(rows['0x7']['bytes'] == 48 + 24, f'bytes {rows["0x7"]["bytes"]}')
        expect(rows['0x8']['variables'] == 0, f'{rows["0x8"]}')
        _, output, _ = self.run()
        expect(output.splitlines()[1].split() ==
               ['0x7', '1', '72', '-', 'seen', 'livepatch_a,livepatch_b'], output)

    def test_slabs(self):
        for big in False, True:
            for compound, tails in ('compound_head', 'head'), ('compound_info', 'mask'):
                image = Image(True, big)
                # Naturally aligned, as slabs are.
                first = RAM + 0x40000
                image.add_caches([('parents', 192, first, 4, tails),
                                  ('variables', 96, RAM + 0x1000, 1, tails)],
                                 'vmemmap' if big else 'vmemmap_base')
                for i in range(16):
                    image.add(first + i * 1024, 3)
                image.add(RAM + 0x60000, 3)
                image.free[RAM] = max(image.free[RAM], RAM + 0x2000)
                shown = self.check(image, btf(compound))
                row = shown['ids'][0]
                expect(row['parents'] == {'parents': 16}, f'{tails}: parents {row["parents"]}')
                expect(row['bytes'] == 17 * 96, f'{tails}: bytes {row["bytes"]}')
                # Without BTF, or with one that is damaged, it is not known.
                for damaged in b'', btf(compound)[:100], btf('other'):
                    shown = self.check(image, damaged)
                    expect(shown['ids'][0]['bytes'] is None, 'bytes out of nothing')

    def test_list(self):
        image = Image(True, False)
        image.fill(40)
        node = image.add(RAM + 8, 0xabc)
        self.save(image)
        status, output, _ = self.run('list', '--id', '0xabc', '--parent', hex(RAM + 8))
        expect(status == 0 and output.splitlines()[1].split() ==
               ['0xabc', hex(RAM + 8), hex(node + SHADOW['data']), '-', '-'], output)
        status, output, _ = self.run('list', '--parent', f'{RAM + 8:x}', '--id', str(0xabc))
        expect(status == 0 and output.count('\n') == 2, output)
        status, output, _ = self.run('list', '--id', '0xabcd')
        expect(status == NONE and output.count('\n') == 1, f'status {status}: {output}')

    def test_data(self):
        image = Image(False, False)
        image.add_patch('livepatch', [('seen', 7, 5)])
        image.add(RAM, 7)
        self.save(image)
        _, output, _ = self.run('list', '--data', '--json')
        expect(json.loads(output)['list'][0]['bytes'] == '0001020304', output)

    def test_empty_data(self):
        """Sizes 0 and unknown are told apart from data that cannot be read."""
        image = Image(False, False)
        image.add_patch('livepatch', [('flag', 7, 0), ('large', 8, 4096)])
        image.free[RAM] = RAM + len(image.memory[RAM]) - 256
        for ident in 7, 8, 9:
            image.add(RAM, ident)
        self.save(image)
        _, output, _ = self.run('list', '--data')
        expect(re.findall('\n  (.*)', output) ==
               ['of no size, or of one that is not known', 'cannot be read',
                'of no size, or of one that is not known'], output)

    def test_left_out(self):
        """A dump without pages of zeros: those of the last heads."""
        image = Image(True, False)
        image.memory[DATA] = image.memory[DATA][:image.heads + 4096 * 8 - DATA]
        parent = next(p for p in range(RAM, RAM + (1 << 16), 8)
                      if image.head(None, p, 7) < image.heads + 1024 * 8)
        image.add(parent, 7)
        image.left_out[DATA] = 2048 * 8
        self.check(image)

    def test_many_segments(self):
        image = Image(False, True)
        image.fill(300)
        image.split()
        image.many_segments = True
        self.check(image)

    # Changes

    def test_data_removed(self):
        """A variable is removed before its data is read, and another object may be there."""
        for reused in True, False:
            before, after = Image(False, False), Image(False, False)
            for image in before, after:
                image.add_patch('livepatch', [('seen', 7, 5)])
                node = image.add(RAM, 7)
            if reused:
                after.write(node + SHADOW['target'], b'x' * 48)
            else:
                after.remove(node)
            self.save(before)
            status, shown = self.read_changing(after, node + SHADOW['data'], 5, 'list', '--data')
            expect(status == 0 and 'bytes' not in shown['list'][0], shown)

    def test_removed_before(self):
        """Those before a variable are removed while it is read, and the first one is reused."""
        for stock in True, False:
            image = Image(stock, False)
            image.fill(20)
            # A chain, and its neighbour, that are empty.
            parent = next(RAM + i for i in range(0, 1 << 16, 8)
                          if image.get(image.head(None if stock else image.first, RAM + i, 7))
                          in (0, 1))
            head = image.head(None if stock else image.first, parent, 7)
            pairs = [(parent, 7)]
            i = 0
            while len(pairs) < 4:
                i += 8
                if image.head(None if stock else image.first, parent + i, 7) == head:
                    pairs.append((parent + i, 7))
            nodes = [image.add(*pair) for pair in pairs]
            self.save(image)
            image.remove(nodes[3])
            image.remove(nodes[2])
            image.put(nodes[3], 0 if stock else 1)
            image.put(nodes[3] + 8, 0 if stock else RAM)
            status, shown = self.read_changing(image, nodes[1], SHADOW['data'])
            found = [row['variables'] for row in shown['ids'] if row['id'] == '0x7']
            expect(status == 0 and found == [2], f'stock {stock}: status {status}, {found}')

    def test_takeover(self):
        """Variables in both stores, or in the kernel's own although the module is loaded."""
        for ours in 50, 0:
            image = Image(True, False)
            image.fill(50)
            image.add_ours()
            image.variables.clear()
            image.fill(ours)
            self.save(image)
            status, output, errors = self.run('--json')
            expect(status == INCOMPLETE and 'klp_shadow' in errors and
                   json.loads(output)['variables'] == ours, f'status {status}: {output}')
            image.write(image.heads, bytes(4096 * 8))
            self.check(image)

    def test_takeover_begins(self):
        """The kernel's own store has variables only after ours was read."""
        image = Image(True, False)
        image.add_ours()
        image.fill(50)
        self.save(image)
        image.put(image.heads, RAM)
        image.put(image.entries, 49)
        status, shown = self.read_changing(image, image.first + TABLE['chains'], 4096)
        expect(status == INCOMPLETE and not shown['complete'], f'status {status}')

    def test_takeover_ends(self):
        """The last variables come to chains of our store that have been read."""
        before, after = Image(True, False), Image(True, False)
        before.fill(50)
        before.add_ours()
        after.add_ours()
        after.fill(50)
        self.save(before)
        last = after.first + TABLE['chains'] + (4096 - 512) * 8
        status, shown = self.read_changing(after, last, 4096)
        expect(status == 0 and shown['variables'] == 50, f'status {status}: {shown}')

    def test_watch_module(self):
        """The takeover module is loaded, which changes no number, and unloaded."""
        stock, ours, more = (Image(True, False) for _ in range(3))
        for image in stock, ours, more:
            if image != stock:
                image.add_ours()
            for i in range(100):
                image.add(RAM + i * 8, 7)
        more.add(RAM, 8)
        self.save(stock)
        # A store that is gone is tried for 4 s, with its types.
        rows, errors = self.watch(ours, more, stock, None, None, None, None)
        expect(not errors, errors)
        expect([(row['id'], row['change']) for row in rows] == [('0x8', 1), ('0x8', -1)], rows)

    def test_watch_incomplete(self):
        """Variables that exist are not new after a read that was incomplete."""
        torn, sound, more = (Image(True, False) for _ in range(3))
        for image in torn, sound, more:
            for i in range(100):
                image.add(RAM + i * 8, 7)
        torn.put(torn.nodes[50] + 8, RAM)
        more.add(RAM + 0x8000, 7)
        self.save(torn)
        rows, errors = self.watch(sound, more, None)
        expect('lower bounds' in errors, errors)
        expect([(row['id'], row['change']) for row in rows] == [('0x7', 1)], rows)

    # Known damage

    def test_circle(self):
        for stock in True, False:
            image = Image(stock, False)
            nodes = [image.add(0, 1) if not stock else image.add(0, i) for i in range(1)]
            nodes += [image.add(0, 100 + i) for i in range(5)] if stock else []
            image.put(nodes[0], nodes[-1])
            self.incomplete(image, len(nodes))

    def test_wild_pointer(self):
        for stock in True, False:
            for value in 0xdead000000000100, 8, DATA + 3, RAM, 0x7fffffffe000:
                image = Image(stock, False)
                image.fill(100)
                end = [n for n in image.nodes if image.get(n) in (0, 1)][0]
                if value & 1 and not stock:
                    continue
                image.put(end, value)
                self.incomplete(image, 60)

    def test_wrong_link_back(self):
        for stock in True, False:
            image = Image(stock, False)
            image.fill(100)
            image.put(image.nodes[50] + 8, image.nodes[51])
            self.incomplete(image, 60)

    def test_other_chain(self):
        """A freed entry that was added again elsewhere, with its link back."""
        for stock in True, False:
            image = Image(stock, False)
            image.fill(100)
            image.put(image.nodes[50] + SHADOW['obj'], RAM + 0x7000)
            self.incomplete(image, 60)

    def test_cut_chain(self):
        image = Image(False, False)
        image.fill(100)
        image.put(image.head(image.first, image.variables[50][1], image.variables[50][0]), 1)
        self.incomplete(image, 60)

    def test_null_in_chain(self):
        image = Image(False, False)
        image.fill(100)
        image.put(image.nodes[50], 0)
        self.incomplete(image, 60)

    def test_counter(self):
        image = Image(False, False)
        image.fill(100)
        image.put(image.entries, 101)
        self.incomplete(image, 0)

    def test_tables_in_circle(self):
        image = Image(False, False)
        image.fill(20)
        one, two = image.new_table(5), image.new_table(5)
        image.follow(image.first, one)
        image.follow(one, two)
        image.follow(two, one)
        self.incomplete(image, 0)

    def test_bad_table(self):
        for bits in 0, 28, 0xffffffff:
            image = Image(False, False)
            image.fill(20)
            large = image.new_table(5)
            image.follow(image.first, large)
            image.put(large + TABLE['bits'], bits, 'I')
            self.incomplete(image, 0)

    def test_unmapped_table(self):
        image = Image(False, False)
        image.fill(20)
        image.follow(image.first, 0xffffc90000000000)
        self.incomplete(image, 0)

    def large_table(self, image, value, bits=18):
        """Heads of that value."""
        large = 0xffffc90000000000
        image.memory[large] = bytearray(struct.pack(image.order + 'Q', value) * (8 + (1 << bits)))
        image.put(large + TABLE['bits'], bits, 'I')
        image.follow(image.first, large)
        return large

    def quickly_incomplete(self, run):
        start = time.monotonic()
        status = run()[0]
        taken = time.monotonic() - start
        expect(status == INCOMPLETE, f'status {status}')
        expect(taken < QUICK, f'takes {taken:.1f} s')

    def test_zeroed_table(self):
        """A table whose memory reads as zeros, because it has been freed."""
        image = Image(False, False)
        image.fill(20)
        self.large_table(image, 0)
        self.save(image)
        self.quickly_incomplete(lambda: self.run('--json'))

    def test_reused_table(self):
        """A table that is freed while it is read, and its memory reused for other data."""
        image = Image(False, False)
        image.fill(20)
        large = self.large_table(image, 1)
        self.save(image)
        self.large_table(image, RAM)
        image.follow(image.first, 0)
        # A resize goes on, so the read is never complete.
        image.put(image.entries, 21)
        self.quickly_incomplete(lambda: self.read_changing(
            image, large + TABLE['chains'] + 4096, 4096))

    def test_garbage_table(self):
        """None of the heads leads to an entry, and the table stays."""
        image = Image(False, False)
        image.fill(20)
        self.large_table(image, RAM, 15)
        self.save(image)
        self.quickly_incomplete(lambda: self.run('--json'))

    def test_heads_not_mapped(self):
        image = Image(True, False)
        image.fill(20)
        image.add(0, 1)
        # The chains of high numbers.
        end = image.heads + 2048 * 8 - DATA
        del image.memory[DATA][end:]
        self.incomplete(image, 20)

    def test_damaged_patches(self):
        for member, offset, value, kind in (
                ('next', PATCH['list'], 16, 'Q'), ('previous', PATCH['list'] + 8, RAM, 'Q'),
                ('mod', PATCH['mod'], 8, 'Q'), ('types', PATCH['types'], 24, 'Q'),
                ('nr_types', PATCH['nr_types'], MAX_U32, 'I')):
            image = Image(False, False)
            image.fill(20)
            patch = image.add_patch('livepatch', [('seen', 7, 5)])
            image.put(patch + offset, value, kind)
            status, shown = self.read(image)
            expect(status == INCOMPLETE and not shown['complete'], f'{member}: status {status}')
            expect(shown['variables'] == 20, f'{member}: {shown["variables"]} variables')

    def test_many_types(self):
        """More than are read, all in the same place."""
        image = Image(False, False)
        image.fill(20)
        patch = image.add_patch('livepatch', [('seen', 7, 5)])
        image.put(patch + PATCH['nr_types'], 5000, 'I')
        image.put(image.layout + 88, 0, 'H')
        status, shown = self.read(image)
        expect(status == INCOMPLETE and shown['variables'] == 20, f'status {status}')

    # Refusals

    def test_unknown_layout(self):
        image = Image(False, False)
        image.fill(20)
        image.put(image.layout + 8, 2, 'I')
        self.refused(image, 'has layout version 2, and this program knows 1')
        image.put(image.layout + 8, 1, 'I')
        image.put(image.layout + 12, 88, 'I')
        self.refused(image, 'has layout')
        image.put(image.layout + 12, 96, 'I')
        self.check(image)
        image.write(image.layout, b'x')
        self.refused(image, 'damaged')
        # The link back is behind it, at an offset that does not fit into 16 bits.
        image.describe()
        image.put(image.layout + 64, 65528, 'H')
        self.refused(image, 'damaged')

    def test_unknown_stock(self):
        image = Image(True, False)
        image.symbol('near', image.heads + 2048 * 8)
        self.refused(image, 'has a size that is unknown')
        image = Image(True, False)
        self.save(image, btf(node=8))
        self.refused_files('has a layout that is unknown')

    def test_no_store(self):
        image = Image(True, False)
        del image.symbols['klp_shadow_hash']
        self.refused(image, 'no known store')
        del image.symbols['klp_enable_patch']
        self.refused(image, 'CONFIG_LIVEPATCH')

    def test_symbols(self):
        image = Image(True, False)
        self.save(image)
        image.save_symbols(self.kallsyms, hidden=True)
        self.refused_files('kptr_restrict=1' if os.geteuid() == 0 else 'only root')
        with open(self.kallsyms, 'w', encoding='ascii') as file:
            file.write('garbage\n\n')
        self.refused_files('no symbols')
        os.unlink(self.kallsyms)
        self.refused_files('No such file')

    def test_not_an_image(self):
        self.save(Image(True, False))
        for data, says in ((b'', 'not an image'), (b'\x7fELF' + bytes(100), '64-bit'),
                           (b'\x7fELF\x02\x01' + bytes(58), 'program headers')):
            with open(self.kcore, 'wb') as file:
                file.write(data)
            self.refused_files(says)
        os.unlink(self.kcore)
        self.refused_files('CONFIG_PROC_KCORE')

    def test_no_permission(self):
        self.save(Image(True, False))
        os.chmod(self.kcore, 0)
        before = () if os.geteuid() else ('setpriv', '--bounding-set',
                                          '-dac_override,-dac_read_search')
        status, _, errors = self.run(before=before)
        os.chmod(self.kcore, 0o600)
        says = 'Permission denied; CAP_SYS_RAWIO' if before else 'only root'
        expect(status == ERROR and says in errors, f'status {status}: {errors}')

    def test_usage(self):
        self.save(Image(True, False))
        for arguments in (('lits',), ('--idd', '5'), ('--id', '5'), ('list', '--id', 'x'),
                          ('list', '--id', '-1'), ('list', '--id', '0x10000000000000000'),
                          ('list', '--parent', '5z'), ('list', '--id'), ('watch', 'now')):
            status, output, errors = self.run(*arguments)
            expect(status == ERROR and 'see klp-shadow --help' in errors and not output,
                   f'{arguments}: status {status}: {errors}')
        with open('/dev/full', 'w', encoding='ascii') as full:
            for arguments in ('--help',), ('--version',), ():
                done = subprocess.run(self.command(*arguments), stdout=full, check=False,
                                      stderr=subprocess.PIPE)
                expect(done.returncode == ERROR and b'cannot write' in done.stderr,
                       f'{arguments}: status {done.returncode}')
        for arguments, says in ((('-json',), "'-j'"), (('list', '-json'), "'-j'"),
                                (('--idd',), "'--idd'"), (('--json=x',), "'--json=x'")):
            _, _, errors = self.run(*arguments)
            expect(says in errors, f'{arguments}: {errors}')

    def test_decimal(self):
        """Not octal."""
        image = Image(True, False)
        image.add(RAM, 123)
        self.save(image)
        for ident in '123', '0123', '0x7b', '0X7B':
            status, output, _ = self.run('list', '--id', ident)
            expect(status == 0, f'{ident}: status {status}: {output}')
        expect(self.run('list', '--id', '0b1')[0] == ERROR, 'binary')

    # Random damage

    def fuzz(self, seconds, seed):
        """Read damaged images. Returns how many had which status."""
        pick = random.Random(seed)
        runs = collections.Counter()
        originals = list(self.images())
        with_types = Image(False, False)
        with_types.fill(100)
        for i in range(20):
            with_types.add_patch(f'livepatch_{i}', [('seen', i, 8), ('more', i + 1, 8)])
        originals.append(('types', with_types))
        with_caches = Image(True, False)
        with_caches.add_caches([('parents', 192, RAM + 0x40000, 4, 'head'),
                                ('variables', 96, RAM + 0x1000, 1, 'head')])
        with_caches.fill(100)
        originals.append(('caches', with_caches))
        # On a busy machine it takes seconds to make the images.
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name, image = pick.choice(originals)
            saved = {start: bytes(memory) for start, memory in image.memory.items()}
            for _ in range(pick.choice((1, 1, 2, 5, 50))):
                damage(image, pick)
            blob = bytearray(btf())
            for _ in range(pick.randrange(4)):
                blob[pick.randrange(len(blob))] = pick.getrandbits(8)
            files = pick.random() < 0.1
            try:
                if files:
                    self.read_damaged_files(image, bytes(blob), pick)
                    continue
                status, shown = self.read(image, bytes(blob))
                if status == 0:
                    expect(shown['variables'] == len(image.variables),
                           f'says {shown["variables"]}, there are {len(image.variables)}')
                runs[status] += 1
            except Failure as failure:
                raise Failure(f'seed {seed}, image {sum(runs.values())}, {name}: {failure}') \
                    from None
            finally:
                for start, memory in saved.items():
                    image.memory[start][:] = memory
        return runs

    def read_damaged_files(self, image, btf_data, pick):
        """Headers and symbols: what is read then may be anything."""
        self.save(image, btf_data)
        for path, end in (self.kcore, 64 + 56 * len(image.memory)), (self.kallsyms, 400):
            with open(path, 'r+b') as file:
                for _ in range(pick.choice((0, 1, 3))):
                    # Not the magic number.
                    file.seek(pick.randrange(5, end))
                    file.write(bytes((pick.getrandbits(8),)))
        self.run('--json')
        self.run('list', '--data')


# The program mostly waits for a store that does not change to change.
WORKERS = 8


def fuzz(program, directory, seconds, seed):
    """Several workers, each with images of its own."""
    runs = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        done = []
        for i in range(WORKERS):
            path = os.path.join(directory, str(i))
            os.mkdir(path)
            done.append(pool.submit(Tests(program, path).fuzz, seconds, seed + i))
        for future in done:
            runs += future.result()
    print(f'# {sum(runs.values())} images: {runs[0]} read, {runs[INCOMPLETE]} reported, '
          f'{runs[ERROR]} refused')
    expect(min(runs[status] for status in (0, ERROR, INCOMPLETE)) * 50 > sum(runs.values()),
           'hardly ever the one or the other')


MAX_U32 = 0xffffffff


def damage(image, pick):
    """Change a word of the store. Not to what ends a chain: nothing could tell this."""
    kind = pick.choice(('head', 'entry', 'entry', 'entry', 'data'))
    if image.caches and pick.random() < 0.5:
        address = pick.choice((PAGES + pick.randrange(128) * 64 + 8, image.symbols['slab_caches'],
                               pick.choice(image.caches) + pick.randrange(8) * 8))
        image.put(address, pick.choice((pick.getrandbits(64), pick.choice(image.nodes), RAM)))
        return
    if kind == 'head':
        table = image.heads if image.stock else image.first + TABLE['chains']
        address = table + pick.randrange(4096) * 8
    elif kind == 'entry':
        address = pick.choice(image.nodes) + pick.choice((0, 0, 8, 32, 40))
    elif image.stock:
        return
    else:
        address = pick.choice((image.first, image.layout, image.patches, image.entries)) + \
            pick.randrange(12) * 8
    value = pick.choice((pick.getrandbits(64), pick.choice(image.nodes),
                         pick.choice(image.nodes), image.get(address) ^ 1 << pick.randrange(64),
                         0xdead000000000122, pick.choice(image.nodes) + 8))
    if image.stock and not value:
        return
    image.put(address, value)


def grow_first(image):
    large = image.new_table(13)
    image.follow(image.first, large)
    image.fill(150)
    image.fill(150, large)


def grow_large(image):
    one, two = image.new_table(8), image.new_table(13)
    image.follow(image.first, one)
    image.follow(one, two)
    image.fill(150, one)
    image.fill(150, two)


def shrink(image):
    large = image.new_table(13)
    image.follow(image.first, large)
    image.follow(large, image.first)
    image.fill(150)
    image.fill(150, large)


def grown(image):
    large = image.new_table(13)
    image.follow(image.first, large)
    image.fill(300, large)


RESIZES = {'growing out of the first table': grow_first, 'growing': grow_large,
           'shrinking into the first table': shrink, 'grown': grown}


def main():
    if len(sys.argv) < 2 or (len(sys.argv) > 2 and sys.argv[2] != 'fuzz'):
        sys.exit(__doc__.splitlines()[0])
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        tests = Tests(os.path.abspath(sys.argv[1]), directory)
        if len(sys.argv) > 2:
            seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 30
            seed = int(sys.argv[4]) if len(sys.argv) > 4 else struct.unpack('I', os.urandom(4))[0]
            names = {f'fuzz, seed {seed}': lambda: fuzz(tests.program, directory, seconds, seed)}
        else:
            names = {name[5:].replace('_', ' '): getattr(tests, name)
                     for name in dir(tests) if name.startswith('test_')}
        print(f'1..{len(names)}')
        for number, (name, test) in enumerate(names.items(), 1):
            try:
                test()
                print(f'ok {number} klp-shadow: {name}', flush=True)
            except (Failure, ValueError, LookupError) as failure:
                failed += 1
                print(f'not ok {number} klp-shadow: {name}')
                print(f'# {failure}', flush=True)
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
