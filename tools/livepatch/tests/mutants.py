#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Usage: mutants.py SOURCE OUTPUT [TEXT]

Break klp-shadow in known ways, one at a time, and run test.py, which must fail. The program
as it is must pass. Prints TAP. With TEXT: only those whose names have it.
"""
import os
import shutil
import subprocess
import sys

# Name, file, what is replaced, by what.
MUTANTS = [
    ('the link back is not compared', 'store.c',
     'if (get_u64(memory, entry + store->shadow_node + 8) != link)', 'if (0)'),
    ('entries of other chains are taken', 'store.c',
     'return chain_of(store, table, variable->parent, variable->id) == chain;', 'return true;'),
    ('retries are not limited', 'store.c', '++retries > MAX_RETRIES + most', '0'),
    ('a chain that is torn is not reported', 'store.c', 'reader->snapshot->torn++;',
     'reader->snapshot->torn += 0;'),
    ('heads that cannot be read are not reported', 'store.c', 'reader->snapshot->torn += n;', ''),
    ('twins are counted', 'store.c', 'sort_unique(snapshot, by_pair);',
     'qsort(snapshot->variables, snapshot->nr, sizeof(struct variable), by_pair);'),
    ('moved variables are counted twice', 'store.c', 'sort_unique(snapshot, by_address);\n', ''),
    ('any link tells the end of a chain', 'store.c', ' && (known || !reader->depth)', ''),
    ('the other store is not looked at', 'store.c', 'if (!store->stock_heads)', 'if (1)'),
    ('the other store is looked at only before', 'store.c',
     '\tcheck_stock(reader);\n\n\treturn', '\n\treturn'),
    ('the other store is looked at only after', 'store.c',
     'start(reader);\n\tcheck_stock(reader);', 'start(reader);'),
    ('heads of 0 are walked', 'store.c', 'if (head)\n', 'if (1)\n'),
    ('a table that was freed is read to its end', 'store.c', 'if (table->first)\n', 'if (1)\n'),
    ('offsets of 16 bits', 'store.c', 'const u32 offsets[]', 'const u16 offsets[]'),
    ('only the first table is read', 'store.c', 'table = large;\n', 'table = 0;\n'),
    ('the table that entries move to is not read', 'store.c',
     'memory_read_u64(store->memory, link, &table)', '(table = 0, 1)'),
    ('tables that follow each other in a circle', 'store.c', 'i == MAX_TABLES ||', ''),
    ('any number of chains is taken', 'store.c',
     'if (!table.bits || table.bits > MAX_BITS)', 'if (0)'),
    ('an alias is not followed', 'store.c',
     'if (!store->stock && variable->parent == store->alias)', 'if (0)'),
    ('the counter is not compared', 'store.c', 'before == snapshot->nr || ', '1 || '),
    ('no difference of byte order', 'memory.c',
     'return memory->swapped ? bswap_64(value) : value;', 'return value;'),
    ('livepatches that are not registered', 'store.c', 'if (!registered)', 'if (0)'),
    ('the list of livepatches is believed', 'store.c', 'back != link)', '0)'),
    ('too many types', 'store.c', 'nr > MAX_TYPES - snapshot->nr_types', '0'),
    ('any version of the layout', 'store.c',
     'get_u32(memory, &layout.version) != LAYOUT_VERSION', '0'),
    ('any size of the table', 'store.c', 'if (hash->next && hash->next - hash->address <',
     'if (0 && hash->next - hash->address <'),
    ('hidden addresses are not noticed', 'memory.c', 'visible |= address;', 'visible = true;'),
    ('the other symbol of struct pages is not known', 'slab.c',
     'vmemmap = symbols[SYMBOL_VMEMMAP].address;', 'vmemmap = 0;'),
    ('a mask is taken for a page', 'slab.c', 'return ~info & (~info + 1) ? info : page & info;',
     'return info;'),
    ('any pointer is a slab cache', 'slab.c', 'return found ? (u32)(found - slabs->caches) : NO_CACHE;',
     'return found ? (u32)(found - slabs->caches) : 0;'),
    ('unnamed members are not searched', 'btf.c', 'if (member->name_off ||', 'if (1 ||'),
    ('no match is success', 'klp-shadow.c', 'return EXIT_NONE;', 'return EXIT_OK;'),
    ('a lower bound is not marked', 'klp-shadow.c', 'value, more ? "+" : ""', 'value, more ? "" : ""'),
    ('complete, always', 'klp-shadow.c', 'snapshot_complete(snapshot) ? "true" : "false"',
     '"true"'),
    ('negative ids', 'klp-shadow.c', "|| strchr(text, '-')", ''),
    ('octal ids', 'klp-shadow.c', 'strncasecmp(optarg, "0x", 2) ? 10 : 16', '0'),
    ('watch keeps to one store', 'klp-shadow.c', 'while (find_store())', 'while (0)'),
    ('watch begins with what is incomplete', 'klp-shadow.c', 'for (;;) {\n\t\ttake(',
     'for (;; first = false) {\n\t\ttake('),
    ('a read that straddles segments', 'memory.c', 'for (; size; size -= part) {',
     'for (part = 0; size; size = part) {'),
    ('the error is overwritten', 'memory.c', 'locked down",\n\t\t    path, strerror(error)',
     'locked down",\n\t\t    path, strerror(errno)'),
    ('what is not in the file is read there', 'memory.c', 'if (address >= segment->zeros)', 'if (0)'),
    ('many segments are taken for 65,535', 'memory.c', 'if (number == PN_XNUM)', 'if (0)'),
    ('data of what has gone is shown', 'klp-shadow.c', 'there = !readable || store_has(&store, variable);',
     'there = true;'),
    ('what has gone is not told by its link', 'store.c', 'node == variable->node', '1'),
    ('what has gone is not told by its parent', 'store.c', 'parent == variable->parent && id == variable->id;\n}',
     '1;\n}'),
    ('any number of torn chains is tried again', 'store.c', ' || snapshot->torn > MAX_TORN', ''),
    ('a help text that is not written', 'klp-shadow.c', 'if (ferror(stdout) || fclose(stdout))',
     'if (0)'),
]


def try_it(output):
    """Why the program in a directory cannot be built, or None, and the status of test.py."""
    make = subprocess.run(['make', '-s', '-C', output, 'CFLAGS=-O1 -w -fsanitize=address,'
                           'undefined -fno-sanitize-recover=all'],
                          capture_output=True, text=True, check=False)
    if make.returncode:
        return make.stderr.splitlines()[0], 0
    test = subprocess.run([os.path.join(output, 'tests/test.py'),
                           os.path.join(output, 'klp-shadow')],
                          capture_output=True, text=True, check=False)
    return None, test.returncode


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__.splitlines()[0])
    source, output = sys.argv[1:3]
    chosen = [mutant for mutant in MUTANTS if ''.join(sys.argv[3:]) in mutant[0]]
    if not chosen:
        sys.exit(f'mutants.py: no mutant has "{sys.argv[3]}" in its name')
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(source, output)
    problem, status = try_it(output)
    if problem or status:
        sys.exit(f'mutants.py: the program as it is does not pass: {problem or "test.py fails"}')
    failed = 0
    print(f'1..{len(chosen)}')
    for number, (name, file, old, new) in enumerate(chosen, 1):
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(source, output)
        path = os.path.join(output, file)
        with open(path, encoding='utf-8') as stream:
            text = stream.read()
        if old not in text:
            problem = f'{file} has no "{old}"'
        else:
            with open(path, 'w', encoding='utf-8') as stream:
                stream.write(text.replace(old, new))
            problem, status = try_it(output)
            if not problem and not status:
                problem = 'no test fails'
        failed += bool(problem)
        print(f'{"not " if problem else ""}ok {number} klp-shadow, broken: {name}', flush=True)
        if problem:
            print(f'# {problem}', flush=True)
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
