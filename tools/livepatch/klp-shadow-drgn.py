#!/usr/bin/env drgn
# SPDX-License-Identifier: GPL-2.0-or-later
"""Usage: drgn [-c VMCORE -s VMLINUX] klp-shadow-drgn.py [ID]

Show the shadow variables of livepatches in a dump, or with debug info of the running kernel:
a line for each id, or for each variable of the id.

The kernel's own store is a hash table. klp-shadow has all variables in lists of ids as well,
also those that were moved, and while its tables are resized.
"""
import collections
import sys

from drgn import FaultError, ProgramFlags, container_of
from drgn.helpers.linux.list import hlist_for_each, list_for_each_entry
from drgn.helpers.linux.slab import find_containing_slab_cache


def has(name):
    """Whether the kernel has a variable."""
    try:
        prog.variable(name)
    except LookupError:
        return False
    return True


def nodes(head, seen):
    """Nodes of a list, which may be damaged; none of them was seen in another one."""
    for node in hlist_for_each(head.address_of_()):
        if node.value_() in seen:
            sys.exit(f'klp-shadow-drgn.py: two links lead to {node.value_():#x}: '
                     'the store is damaged, or has changed meanwhile')
        seen.add(node.value_())
        yield node


def variables():
    """All variables, as objects of type struct klp_shadow *."""
    seen = set()
    if not has('klp_shadow_ids'):
        for head in prog['klp_shadow_hash']:
            for node in nodes(head, seen):
                yield container_of(node, 'struct klp_shadow', 'node')
        return
    lists = prog['klp_shadow_ids']
    for slot in lists:
        for head in slot:
            for node in nodes(head, seen):
                shadow = container_of(node, 'struct klp_shadow', 'id_link')
                # Not the position of a task that goes through the list.
                if shadow.obj.value_() != lists.address_:
                    yield shadow


def types():
    """Names of types, and of livepatches that have them, by id."""
    found = collections.defaultdict(list)
    if not has('klp_shadow_patches'):
        return found
    for patch in list_for_each_entry('struct klp_shadow_patch',
                                     prog['klp_shadow_patches'].address_of_(), 'list'):
        if not patch.registered:
            continue
        for i in range(patch.nr_types):
            kind = patch.types[i]
            found[kind.id.value_()].append((kind.name.string_().decode(),
                                            patch.mod.name.string_().decode()))
    return found


def cache_of(address):
    """Name and object size of a slab cache, or None."""
    try:
        cache = find_containing_slab_cache(prog, address)
        return (cache.name.string_().decode(), cache.size.value_()) if cache else None
    except (LookupError, ValueError):
        return None


def joined(names):
    """Names without repetition."""
    return ','.join(dict.fromkeys(names)) or '-'


def show_ids():
    """A line for each id."""
    number, size, parents = collections.Counter(), collections.Counter(), {}
    unknown = set()
    for shadow in variables():
        ident = shadow.id.value_()
        number[ident] += 1
        cache = cache_of(shadow.value_())
        size[ident] += cache[1] if cache else 0
        if not cache:
            unknown.add(ident)
        cache = cache_of(shadow.obj.value_())
        parents.setdefault(ident, collections.Counter())[cache[0] if cache else '-'] += 1
    declared = types()
    print(f'{"ID":<18} {"VARIABLES":>10} {"BYTES":>12}  {"PARENTS":<20} {"NAME":<16} LIVEPATCHES')
    for ident in sorted(set(number) | set(declared)):
        taken = '-' if ident in unknown else size[ident]
        names = ','.join(name for name, _ in parents.get(ident, collections.Counter()).most_common())
        print(f'{ident:<#18x} {number[ident]:>10} {taken:>12}  {names or "-":<20} '
              f'{joined(t[0] for t in declared[ident]):<16} {joined(t[1] for t in declared[ident])}')
    if has('klp_shadow_state'):
        entries = prog['klp_shadow_state'].entries.value_()
        if entries != sum(number.values()):
            print(f'{sum(number.values())} variables in the lists of ids, {entries} in the table: '
                  'one was just added or removed, or the store is damaged', file=sys.stderr)


def show_variables(ident):
    """A line for each variable of an id."""
    print(f'{"ID":<18} {"PARENT":<18} {"DATA":<18}  CACHE')
    for shadow in variables():
        if shadow.id.value_() != ident:
            continue
        parent = shadow.obj.value_()
        cache = cache_of(parent)
        print(f'{ident:<#18x} {parent:#018x} {shadow.data.address_of_().value_():#018x}  '
              f'{cache[0] if cache else "-"}')


def main():
    """Read the command line."""
    if len(sys.argv) > 2:
        sys.exit(__doc__.splitlines()[0])
    if not has('klp_shadow_ids') and not has('klp_shadow_hash'):
        sys.exit('klp-shadow-drgn.py: no store of shadow variables: the kernel has no '
                 'CONFIG_LIVEPATCH, or this debug info is of another one')
    if has('klp_shadow_hash') and any(module.name.string_() == b'klp_shadow' for module in
                                         list_for_each_entry('struct module',
                                                             prog['modules'].address_of_(), 'list')):
        sys.exit('klp-shadow-drgn.py: the module klp_shadow has the store, which this script '
                 'cannot read')
    if prog.flags & ProgramFlags.IS_LIVE:
        print('klp-shadow-drgn.py: the store may change while it is read; the numbers of the '
              'program klp-shadow are exact', file=sys.stderr)
    if len(sys.argv) == 2:
        try:
            ident = int(sys.argv[1], 0)
        except ValueError:
            sys.exit(f"klp-shadow-drgn.py: '{sys.argv[1]}' is not an id such as 0x6e6f7465")
        show_variables(ident)
    else:
        show_ids()


try:
    main()
except FaultError as fault:
    sys.exit(f'klp-shadow-drgn.py: {fault}: the store is damaged, or has changed meanwhile')
