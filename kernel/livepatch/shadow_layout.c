// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the store is in memory, and how: for debuggers that have no debug info.
 * klp-shadow, in tools/livepatch, finds klp_shadow_layout in /proc/kallsyms. The kernel
 * itself does not use it.
 */
#include <linux/module.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "shadow_table.h"
#include "shadow_type.h"

/* Increased if the layout below changes, or how the table is walked. */
#define KLP_SHADOW_LAYOUT_VERSION	1

/*
 * The first table, the mark of an alias, the number of entries, that of complete resizes,
 * and the list of registered patches, or NULL. The rest are offsets of members, and a size.
 */
static const struct klp_shadow_layout {
	char magic[8];
	u32 version;
	u32 size;	/* of this struct */
	const void *first;
	const void *alias;
	const void *entries;
	const void *resizes;
	const void *patches;
	u16 table_next, table_bits, table_salt, table_chains;
	u16 shadow_node, shadow_target, shadow_parent, shadow_obj, shadow_id, shadow_data;
	u16 patch_list, patch_mod, patch_types, patch_nr_types, patch_registered;
	u16 module_name;
	u16 type_sizeof, type_name, type_id, type_size;
} klp_shadow_layout __used = {
	.magic = { 'k', 'l', 'p', 's', 'h', 'a', 'd', 'o' },
	.version = KLP_SHADOW_LAYOUT_VERSION,
	.size = sizeof(struct klp_shadow_layout),
	.first = &klp_shadow_first,
	.alias = KLP_SHADOW_ALIAS,
	.entries = &klp_shadow_state.entries,
	.resizes = &klp_shadow_resizes,
	.table_next = offsetof(struct klp_shadow_table, next),
	.table_bits = offsetof(struct klp_shadow_table, bits),
	.table_salt = offsetof(struct klp_shadow_table, salt),
	.table_chains = offsetof(struct klp_shadow_table, chains),
	.shadow_node = offsetof(struct klp_shadow, node),
	.shadow_target = offsetof(struct klp_shadow, target),
	.shadow_parent = offsetof(struct klp_shadow, parent),
	.shadow_obj = offsetof(struct klp_shadow, obj),
	.shadow_id = offsetof(struct klp_shadow, id),
	.shadow_data = offsetof(struct klp_shadow, data),
#ifdef CONFIG_KLP_SHADOW_TYPES
	.patches = &klp_shadow_patches,
	.patch_list = offsetof(struct klp_shadow_patch, list),
	.patch_mod = offsetof(struct klp_shadow_patch, mod),
	.patch_types = offsetof(struct klp_shadow_patch, types),
	.patch_nr_types = offsetof(struct klp_shadow_patch, nr_types),
	.patch_registered = offsetof(struct klp_shadow_patch, registered),
	.module_name = offsetof(struct module, name),
	.type_sizeof = sizeof(struct klp_shadow_type),
	.type_name = offsetof(struct klp_shadow_type, name),
	.type_id = offsetof(struct klp_shadow_type, id),
	.type_size = offsetof(struct klp_shadow_type, size),
#endif
};
