# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: objdump -d --no-show-raw-insn OBJECT | awk -v fn=NAME -f instructions.awk
#
# Print the number of instructions that klp_shadow_get() executes to find a variable: those
# on the shortest path from the entry through the comparison of the id, at offset 40, and
# the calculation of the address of the data, at offset 48, to the return.

$0 ~ "^[0-9a-f]+ <" fn ">:" { inside = 1; next }
inside && /^$/ { inside = 0 }
inside && $1 ~ /^[0-9a-f]+:$/ {
	at = $1
	sub(/:/, "", at)
	# Padding before the entry is not executed.
	if (nr == 0 && $2 == "nop")
		next
	index_of[at] = ++nr
	op[nr] = $2
	text[nr] = $0
	target[nr] = $3
}

# advance(i, state): the state is 1 after the comparison, 2 after the calculation
function advance(i, state) {
	if (state == 0 && text[i] ~ /cmp .*0x28\(/)
		return 1
	if (state == 1 && text[i] ~ /(add +\$0x30,|lea +0x30\(|sub +\$0xffffffffffffffd0,)/)
		return 2
	return state
}

function visit(i, state, steps) {
	if (i && !((i, state) in seen)) {
		seen[i, state]
		queue_i[++last] = i
		queue_s[last] = state
		queue_n[last] = steps
	}
}

END {
	visit(1, 0, 1)
	for (first = 1; first <= last; first++) {
		i = queue_i[first]
		n = queue_n[first]
		state = advance(i, queue_s[first])
		if (op[i] ~ /^ret/ || (op[i] == "jmp" && text[i] ~ /__x86_return_thunk/)) {
			if (state == 2) {
				print n
				exit
			}
			continue
		}
		if (op[i] ~ /^j/)
			visit(index_of[target[i]], state, n + 1)
		if (op[i] !~ /^jmp/ && i < nr)
			visit(i + 1, state, n + 1)
	}
	exit 1
}
