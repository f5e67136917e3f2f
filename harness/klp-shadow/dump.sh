#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> dump.sh
#
# Boot a kernel with debug info, stop it amid a resize of the store, and let QEMU write a dump.
# The command lx-klp-shadow of the kernel's gdb scripts must show what is there, in the stopped
# machine and in the dump, and klp-shadow-drgn.py and the program klp-shadow in the dump. Prints
# TAP.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
tools=$TOP/tools/livepatch
"$TOP/harness/setup.sh" gdb python3-drgn
export KERNEL=$LINE VARIANT=dwarf
"$TOP/harness/kernel/build.sh" "$TOP/harness/kernel/x86_64-dwarf.config"
"$TOP/harness/vm/rootfs.sh"
set_dir
src=$BUILD/$LINE/src
out=$BUILD/klp-shadow/$LINE-dump
log=$out/log
rm -rf "$out"
mkdir -p "$out/module" "$out/payload"

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$DIR/obj" ARCH=x86_64 KBUILD_BUILD_TIMESTAMP=@0 "$@" >>"$log" 2>&1 ||
		die "building failed: $(grep -m 1 -E 'error:|Error |\*\*\*' "$log"); see $log"
}

kmake scripts_gdb
make -s -C "$tools" O="$out/bin" >>"$log" 2>&1 || die "klp-shadow could not be built; see $log"
cp "$tools"/tests/fill/* "$out/module/"
kmake M="$out/module" modules
cp "$out/module"/*.ko "$out/payload/"

vm=
trap '[[ -z $vm ]] || kill -- "-$vm" 2>/dev/null || :' EXIT
set -m
VM_GDB=$out/gdb VM_LOG=$out/vm "$TOP/harness/vm/vm.sh" -t 900 -m 512M -p "$out/payload" \
	-a 'nokaslr kmemleak=off slub_debug=- qemu_fw_cfg.ioport=12@0x510:0:1:4' "$TOP/harness/klp-shadow/dump-job.sh" >"$out/vm.log" 2>&1 &
vm=$!
set +m
until grep -aqs 'variables come and go' "$out/vm.out"; do
	kill -0 "$vm" 2>/dev/null || die "the VM ended: $(tail -n 1 "$out/vm.log"); see $out/vm.log"
	sleep 1
done

# gdb(argument...): with the kernel's scripts, which vmlinux loads
gdb()
{
	timeout 600 /usr/bin/gdb -q -batch -iex 'set auto-load safe-path /' "$DIR/obj/vmlinux" "$@"
}

# drgn(argument...)
drgn()
{
	timeout 600 /usr/bin/drgn -q -c "$out/dump" -s "$DIR/obj/vmlinux" "$tools/klp-shadow-drgn.py" "$@"
}

# When some chains of a table have been moved, and others have not.
stop=(-ex 'hbreak klp_shadow_rehash_chain' -ex 'ignore 1 30' -ex continue
	-ex 'printf "resize: %d\n", klp_shadow_state.resize'
	-ex 'printf "entries: %lu\n", klp_shadow_state.entries')
show=(-ex lx-klp-shadow -ex 'lx-klp-shadow 0x304e')
gdb -ex 'set remotetimeout 300' -ex "target remote $out/gdb" "${stop[@]}" "${show[@]}" \
	-ex "monitor dump-guest-memory -p $out/dump" -ex kill >"$out/stopped" 2>&1 || :
gdb -ex "core-file $out/dump" "${show[@]}" >"$out/dumped" 2>&1 || :
drgn >"$out/drgn" 2>&1 || :
"$out/bin/klp-shadow" --kcore "$out/dump" --kallsyms "$DIR/obj/System.map" >"$out/klp-shadow" 2>&1 || :
drgn 0x304e >"$out/drgn-moved" 2>&1 || :

# shows(description, file): the output has the variables that stay, the others, and the type
shows()
{
	awk -v entries="$(sed -n 's/^entries: //p' "$out/stopped")" '
		/^0x/ && NF >= 4 { total += $2; n[$1 ""] = $2 }
		/ seen +livepatch_shadow_lifetime$/ { type = 1 }
		END {
			# A variable may be in one of list and table.
			exit !(n["0x57a9"] == 3000 && n["0xc4a0"] <= 20000 && n["0x304e"] == 1 &&
			       n["0xfffffff000000000"] == 1 && n["0xfffffff000000009"] == 1 &&
			       type && entries > 3000 && total >= entries - 1 && total <= entries + 1)
		}' "$2" && status=0 || status=1
	result "$status" "$1" "$2"
}

# lists(description, regex, file): the output has one such line
lists()
{
	[[ $(grep -cE "$2" "$3") == 1 ]] && status=0 || status=1
	result "$status" "$1" "$3"
}

lists "the machine is stopped amid a resize" '^resize: 2$' "$out/stopped"
shows "lx-klp-shadow, stopped machine" "$out/stopped"
shows "lx-klp-shadow, dump" "$out/dumped"
shows "drgn, dump" "$out/drgn"
shows "klp-shadow, dump" "$out/klp-shadow"
lists "lx-klp-shadow, a variable that was moved" '^0x304e +0x[0-9a-f]{16} 0x[0-9a-f]{16}$' "$out/dumped"
lists "drgn, a variable that was moved, and its parent" '^0x304e .* klp_shadow_fill$' "$out/drgn-moved"
plan && rm -f "$out/dump"
