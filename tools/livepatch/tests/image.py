# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of a kernel's memory with a store of shadow variables, and what is in it."""
import random
import struct

WORD = 8
MASK = (1 << 64) - 1
GOLDEN_RATIO_32 = 0x61C88647
GOLDEN_RATIO_64 = 0x61C8864680B583EB

DATA = 0xffffffff81000000       # where symbols are
RAM = 0xffff888001000000        # where objects are
PHYSICAL = 0x1000000            # of RAM
VMEMMAP = 0xffffea0000000000
PAGES = VMEMMAP + PHYSICAL // 4096 * 64

# Offsets in struct klp_shadow_layout, and of what it describes.
SHADOW = {'node': 0, 'target': 16, 'parent': 24, 'obj': 32, 'id': 40, 'data': 48}
TABLE = {'next': 0, 'bits': 8, 'salt': 16, 'chains': 64}
PATCH = {'list': 0, 'mod': 24, 'types': 32, 'nr_types': 40, 'registered': 57}
MODULE_NAME = 24
TYPE = {'sizeof': 144, 'name': 16, 'id': 24, 'size': 32}


class Image:
    """Memory of a stock kernel or of one with our store, of either byte order."""

    def __init__(self, stock, big, seed=1):
        self.random = random.Random(seed)
        self.stock = stock
        self.order = '>' if big else '<'
        self.memory = {DATA: bytearray(256 << 10), RAM: bytearray(512 << 10),
                       PAGES: bytearray((512 << 10) // 4096 * 64)}
        self.physical = {RAM: PHYSICAL}
        self.left_out = {}      # bytes at the end of a region that are zero, and not in the file
        self.caches = []
        self.many_segments = False      # as if there were more than fit into the header
        self.symbols = {}
        self.free = {DATA: DATA, RAM: RAM + 4096}
        self.variables = []     # (id, parent)
        self.nodes = []         # their addresses
        self.alias = None
        self.symbol('klp_enable_patch', self.allocate(DATA, 16))
        if stock:
            self.heads = self.allocate(DATA, 4096 * WORD)
            self.symbol('klp_shadow_hash', self.heads)
        else:
            self.add_ours('klp_shadow_layout')
        self.symbol('behind', self.allocate(DATA, 16))

    def add_ours(self, symbol='klp_shadow_layout\t[klp_shadow]'):
        """Our store, by default that of the takeover module, beside the kernel's own."""
        self.stock = False
        self.first = self.allocate(DATA, TABLE['chains'] + 4096 * WORD)
        self.alias = self.first
        self.table(self.first, 12)
        self.entries = self.allocate(DATA, WORD)
        self.resizes = self.allocate(DATA, WORD)
        self.patches = self.allocate(DATA, 16)
        self.layout = self.allocate(DATA, 96)
        self.symbol(symbol, self.layout)
        self.describe()
        self.patch_list = []
        self.link_patches()

    # Memory

    def allocate(self, region, size):
        address = self.free[region]
        self.free[region] += (size + 15) // 16 * 16
        assert self.free[region] <= region + len(self.memory[region])
        return address

    def symbol(self, name, address):
        self.symbols[name] = address

    def region(self, address):
        for start, memory in self.memory.items():
            if start <= address < start + len(memory):
                return memory, address - start
        raise KeyError(hex(address))

    def write(self, address, data):
        memory, offset = self.region(address)
        memory[offset:offset + len(data)] = data

    def put(self, address, value, kind='Q'):
        self.write(address, struct.pack(self.order + kind, value))

    def get(self, address):
        memory, offset = self.region(address)
        return struct.unpack_from(self.order + 'Q', memory, offset)[0]

    def string(self, text):
        address = self.allocate(RAM, len(text) + 1)
        self.write(address, text.encode() + b'\0')
        return address

    # Tables

    def describe(self):
        offsets = [TABLE[n] for n in ('next', 'bits', 'salt', 'chains')]
        offsets += [SHADOW[n] for n in ('node', 'target', 'parent', 'obj', 'id', 'data')]
        offsets += [PATCH[n] for n in ('list', 'mod', 'types', 'nr_types', 'registered')]
        offsets += [MODULE_NAME] + [TYPE[n] for n in ('sizeof', 'name', 'id', 'size')]
        self.write(self.layout, struct.pack(self.order + '8sIIQQQQQ20H', b'klpshado', 1, 96,
                                            self.first, self.alias, self.entries, self.resizes,
                                            self.patches, *offsets))

    def end(self, table):
        return 1 if table == self.first else table + 1

    def table(self, address, bits):
        self.put(address + TABLE['bits'], bits, 'I')
        self.put(address + TABLE['salt'], self.random.getrandbits(64))
        for chain in range(1 << bits):
            self.put(address + TABLE['chains'] + chain * WORD, self.end(address))

    def remove(self, node):
        """Of our store or the kernel's, without a change of the node itself."""
        following, back = self.get(node), self.get(node + 8)
        self.put(back, following)
        if following and not following & 1:
            self.put(following + 8, back)
        index = self.nodes.index(node)
        del self.nodes[index], self.variables[index]
        self.count()

    def new_table(self, bits):
        address = self.allocate(RAM, TABLE['chains'] + (WORD << bits))
        self.table(address, bits)
        return address

    def follow(self, table, following):
        self.put(table + TABLE['next'], following)

    def head(self, table, parent, ident):
        if self.stock:
            return self.heads + ((parent * GOLDEN_RATIO_64 & MASK) >> 52) * WORD
        key = parent + ident * GOLDEN_RATIO_32 & MASK
        bits = self.get_bits(table)
        if table == self.first:
            chain = (key * GOLDEN_RATIO_64 & MASK) >> 64 - bits
        else:
            value = (key + self.get(table + TABLE['salt'])) * GOLDEN_RATIO_64 & MASK
            chain = ((value ^ value >> 32) & 0xffffffff) >> 32 - bits
        return table + TABLE['chains'] + chain * WORD

    def get_bits(self, table):
        memory, offset = self.region(table + TABLE['bits'])
        return struct.unpack_from(self.order + 'I', memory, offset)[0]

    # Entries

    def link(self, node, head):
        following = self.get(head)
        self.put(node, following)
        self.put(node + 8, head)
        self.put(head, node)
        if following and not following & 1:
            self.put(following + 8, node)

    def entry(self, obj, ident, size=16):
        node = self.allocate(RAM, SHADOW['data'] + size)
        self.put(node + SHADOW['obj'], obj)
        self.put(node + SHADOW['id'], ident)
        return node

    def add(self, parent, ident, table=None):
        """A variable, in the first table if no other is given."""
        node = self.entry(parent, ident)
        self.write(node + SHADOW['data'], bytes(range(16)))
        self.link(node, self.head(table or getattr(self, 'first', None), parent, ident))
        self.variables.append((ident, parent))
        self.nodes.append(node)
        self.count()
        return node

    def add_alias(self, parent, ident, table=None):
        """A variable that was moved to the parent."""
        target = self.entry(parent, ident)
        node = self.entry(self.alias, ident)
        self.put(node + SHADOW['target'], target)
        self.put(node + SHADOW['parent'], parent)
        self.link(node, self.head(table or self.first, parent, ident))
        self.variables.append((ident, parent))
        self.nodes.append(node)
        self.count()
        return node

    def count(self):
        if not self.stock:
            self.put(self.entries, len(self.variables))

    def parent(self):
        return RAM + self.random.randrange(1 << 16) * 8

    def fill(self, number, table=None):
        taken = set(self.variables)
        while number:
            ident = self.random.choice((5, 0x6e6f7465, MASK, 0))
            parent = self.random.choice((0, 1, self.parent()))
            if not ident:
                ident = self.random.getrandbits(64)
            if (ident, parent) in taken:
                continue
            taken.add((ident, parent))
            self.add(parent, ident, table)
            number -= 1

    # Types

    def add_patch(self, name, types, registered=True):
        """Types are (name, id, size)."""
        module = self.allocate(RAM, 128)
        self.write(module + MODULE_NAME, name.encode())
        array = self.allocate(RAM, TYPE['sizeof'] * len(types))
        for i, (type_name, ident, size) in enumerate(types):
            at = array + i * TYPE['sizeof']
            self.put(at + TYPE['name'], self.string(type_name))
            self.put(at + TYPE['id'], ident)
            self.put(at + TYPE['size'], size)
        patch = self.allocate(RAM, 64)
        self.put(patch + PATCH['mod'], module)
        self.put(patch + PATCH['types'], array)
        self.put(patch + PATCH['nr_types'], len(types), 'I')
        self.put(patch + PATCH['registered'], registered, 'B')
        self.patch_list.append(patch)
        self.link_patches()
        return patch

    def link_patches(self):
        ring = [self.patches] + [p + PATCH['list'] for p in self.patch_list]
        for here, following in zip(ring, ring[1:] + ring[:1]):
            self.put(here, following)
            self.put(following + 8, here)

    # Slab caches, with the layout of btf()

    def add_caches(self, caches, vmemmap='vmemmap_base'):
        """Caches are (name, size, first address, pages, how tail pages find the first)."""
        self.symbol('slab_caches', self.allocate(DATA, 16))
        self.symbol(vmemmap, self.allocate(DATA, 16))
        self.put(self.symbols[vmemmap], VMEMMAP)
        ring = [self.symbols['slab_caches']]
        for name, size, first, pages, tails in caches:
            cache = self.allocate(RAM, 64)
            self.caches.append(cache)
            self.put(cache + 8, self.string(name))
            self.put(cache + 16, size, 'I')
            self.put(cache + 20, size, 'I')
            ring.append(cache + 32)
            page = PAGES + (first - RAM) // 4096 * 64
            self.put(page + 8, cache)
            for i in range(1, pages):
                info = page if tails == 'head' else -(pages * 64) & MASK
                self.put(page + i * 64 + 8, info | 1)
        for here, following in zip(ring, ring[1:] + ring[:1]):
            self.put(here, following)
            self.put(following + 8, here)

    # Files

    def offset(self, address):
        """Where it is in the file."""
        offset = 64 + 56 * len(self.memory)
        for start, memory in self.memory.items():
            if start <= address < start + len(memory):
                return offset + address - start
            offset += len(memory)
        raise KeyError(hex(address))

    def split(self):
        """Make each page a segment of the file; afterwards the image can only be saved."""
        self.memory = {start + i: memory[i:i + 4096] for start, memory in self.memory.items()
                       for i in range(0, len(memory), 4096)}

    def save(self, path):
        offset = 64 + 56 * len(self.memory)
        data = b''
        headers = b''
        for start, memory in self.memory.items():
            there = memory[:len(memory) - self.left_out.get(start, 0)]
            headers += struct.pack(self.order + 'IIQQQQQQ', 1, 7, offset + len(data), start,
                                   self.physical.get(start, MASK), len(there), len(memory), 1)
            data += there
        number, sections = len(self.memory), 0
        if self.many_segments:
            number, sections = 0xffff, offset + len(data)
            data += struct.pack(self.order + 'IIQQQQIIQQ', 0, 0, 0, 0, 0, 0, 0,
                                len(self.memory), 0, 0)
        ident = b'\x7fELF' + bytes((2, 2 if self.order == '>' else 1, 1)) + bytes(9)
        header = ident + struct.pack(self.order + 'HHIQQQIHHHHHH', 4, 62, 1, 0, 64, sections, 0,
                                     64, 56, number, 0, 0, 0)
        with open(path, 'wb') as file:
            file.write(header + headers + data)

    def save_symbols(self, path, hidden=False):
        with open(path, 'w', encoding='ascii') as file:
            for name, address in sorted(self.symbols.items(), key=lambda item: item[1]):
                file.write(f'{0 if hidden else address:016x} b {name}\n')
            file.write(f'{0 if hidden else MASK - 4095:016x} t of_a_module\t[module]\n')


def btf(compound='compound_head', node=0):
    """BTF of this machine's byte order for struct page, slab, kmem_cache and klp_shadow."""
    strings = bytearray(b'\0')
    types = b''

    def name(text):
        if not text:
            return 0
        strings.extend(text.encode() + b'\0')
        return len(strings) - len(text) - 1

    def struct_type(text, size, members, kind=4):
        nonlocal types
        types += struct.pack('=III', name(text), kind << 24 | len(members), size)
        for member, member_type, offset in members:
            types += struct.pack('=III', name(member), member_type, offset * 8)

    types += struct.pack('=IIII', name('long'), 1 << 24, 8, 64)                     # 1
    struct_type('', 8, [(compound, 1, 0)])                                          # 2
    struct_type('', 16, [('lru', 1, 0), ('', 2, 0)], kind=5)                        # 3
    struct_type('page', 64, [('flags', 1, 0), ('', 3, 8)])
    struct_type('slab', 64, [('flags', 1, 0), ('slab_cache', 1, 8)])
    struct_type('kmem_cache', 64, [('name', 1, 8), ('size', 1, 16), ('object_size', 1, 20),
                                   ('list', 1, 32)])
    struct_type('klp_shadow', 48, [('node', 1, node), ('rcu_head', 1, 16), ('obj', 1, 32),
                                   ('id', 1, 40), ('data', 1, 48)])
    return struct.pack('=HBBIIIII', 0xeB9F, 1, 0, 24, 0, len(types), len(types),
                       len(strings)) + types + bytes(strings)
