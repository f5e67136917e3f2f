# SPDX-License-Identifier: GPL-2.0-or-later
#
# gdb helper commands and functions for Linux kernel debugging
#
#  shadow variables of livepatches
#

import gdb

from linux import lists, modules, utils

patch_type = utils.CachedType("struct klp_shadow_patch")
shadow_type = utils.CachedType("struct klp_shadow")


def lookup(name):
    """A variable of the kernel, or None."""
    symbol = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
    return symbol.value() if symbol else None


def heads(array):
    """Elements of an array, also of an array of arrays."""
    for i in range(array.type.range()[1] + 1):
        if array[i].type.code == gdb.TYPE_CODE_ARRAY:
            yield from heads(array[i])
        else:
            yield array[i]


def nodes(head, seen):
    """Nodes of a list, which may be damaged; none of them was seen in another one."""
    for node in lists.hlist_for_each(head):
        if int(node) in seen:
            raise gdb.GdbError("two links lead to {:#x}: the store is damaged".format(int(node)))
        seen.add(int(node))
        yield node


def shadow_variables():
    """All of them, as values of type struct klp_shadow *."""
    if not gdb.selected_inferior().pid:
        raise gdb.GdbError("no machine and no dump: use 'target remote' or 'core-file' first")
    ids = lookup("klp_shadow_ids")
    stock = lookup("klp_shadow_hash")
    if ids is None and stock is None:
        raise gdb.GdbError("no store of shadow variables: the kernel has no CONFIG_LIVEPATCH")
    if stock is not None and modules.find_module_by_name("klp_shadow"):
        raise gdb.GdbError("the module klp_shadow has the store, which this command cannot read")
    pointer = shadow_type.get_type().pointer()
    seen = set()
    if ids is None:
        for head in heads(stock):
            for node in nodes(head, seen):
                yield utils.container_of(node, pointer, "node")
        return
    # klp-shadow has all of them here, also while its tables are resized.
    for head in heads(ids):
        for node in nodes(head, seen):
            shadow = utils.container_of(node, pointer, "id_link")
            # Not the position of a task that goes through the list.
            if int(shadow['obj']) != int(ids.address):
                yield shadow


def shadow_types():
    """Pairs of type and livepatch, by id."""
    found = {}
    patches = lookup("klp_shadow_patches")
    if patches is None:
        return found
    for patch in lists.list_for_each_entry(patches, patch_type.get_type().pointer(), "list"):
        if not patch['registered']:
            continue
        for i in range(int(patch['nr_types'])):
            kind = patch['types'][i]
            found.setdefault(int(kind['id']), []).append(
                (kind['name'].string(), patch['mod']['name'].string()))
    return found


class LxKlpShadow(gdb.Command):
    """Show shadow variables of livepatches.

lx-klp-shadow: number of variables, types and livepatches of each id.
lx-klp-shadow ID: parent and data of each variable of the id.

It needs debug info. The machine must be stopped, or be a dump."""

    def __init__(self):
        super(LxKlpShadow, self).__init__("lx-klp-shadow", gdb.COMMAND_DATA)

    def show_ids(self):
        number = {}
        for shadow in shadow_variables():
            ident = int(shadow['id'])
            number[ident] = number.get(ident, 0) + 1
        types = shadow_types()
        gdb.write("{:<18} {:>10}  {:<16} {}\n".format("ID", "VARIABLES", "NAME", "LIVEPATCHES"))
        for ident in sorted(set(number) | set(types)):
            names, patches = zip(*types.get(ident, [("-", "-")]))
            gdb.write("{:<#18x} {:>10}  {:<16} {}\n".format(
                ident, number.get(ident, 0), ",".join(dict.fromkeys(names)),
                ",".join(dict.fromkeys(patches))))
        state = lookup("klp_shadow_state")
        if state is not None and int(state['entries']) != sum(number.values()):
            gdb.write("{} variables in the lists of ids, {} in the table: one was just added or "
                      "removed, or the store is damaged\n".format(
                          sum(number.values()), int(state['entries'])))

    def show_variables(self, wanted):
        gdb.write("{:<18} {:<18} {}\n".format("ID", "PARENT", "DATA"))
        for shadow in shadow_variables():
            if int(shadow['id']) == wanted:
                gdb.write("{:<#18x} {:#018x} {:#018x}\n".format(
                    wanted, int(shadow['obj']), int(shadow['data'].address)))

    def invoke(self, arg, from_tty):
        argv = gdb.string_to_argv(arg)
        if len(argv) > 1:
            raise gdb.GdbError("usage: lx-klp-shadow [ID]")
        if not argv:
            self.show_ids()
            return
        try:
            wanted = int(argv[0], 0)
        except ValueError:
            raise gdb.GdbError("'{}' is not an id such as 0x6e6f7465".format(argv[0]))
        self.show_variables(wanted)


LxKlpShadow()
