/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A livepatch whose shadow types are set by module parameters. Each test_klp_shadow_lp<n>.c
 * includes this; without types if HAS_TYPES is 0. test-shadow-lifetimes.sh loads them in
 * different orders.
 *
 * The parents of its variables are numbered 1, 2, ... They are addresses without memory, in place
 * of objects of the module test_klp_shadow_owner.
 */
#include <linux/delay.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched.h>

#define ID_VAR		0x5d0b0000UL
#define ID_STATE	0x5d0b0001UL
#define EXTRA		30

#define PARENT(n)	((void *)(0x5d0b0000UL + 16 * (n)))

/* Start of the data of all variables, before and after a conversion. */
struct var {
	unsigned long number;	/* of the parent */
	unsigned long last;	/* copy of @number; only in converted variables */
};

/* Logged by the exit function. */
static unsigned int ctors, dtors, converted, wrong;
static unsigned int releases;
module_param(releases, uint, 0444);
MODULE_PARM_DESC(releases, "number of release callbacks that have returned");

static bool replace = true;
module_param(replace, bool, 0444);
MODULE_PARM_DESC(replace, "replace all other livepatches");
static bool fail;
module_param(fail, bool, 0644);
MODULE_PARM_DESC(fail, "fail in the pre-patch callback");
static bool no_target;
module_param(no_target, bool, 0444);
MODULE_PARM_DESC(no_target, "patch a function that does not exist");

static bool block;
module_param(block, bool, 0644);
MODULE_PARM_DESC(block, "stay in the patched function, to block transitions to other livepatches");
static bool blocked;
module_param(blocked, bool, 0444);
MODULE_PARM_DESC(blocked, "a thread is in the patched function");

#if HAS_TYPES
static char *name = "var";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "name of the variable");
static char *parent_module = "vmlinux";
module_param(parent_module, charp, 0444);
MODULE_PARM_DESC(parent_module, "module whose objects are the parents");
static bool outlives_parent;
module_param(outlives_parent, bool, 0444);
MODULE_PARM_DESC(outlives_parent, "variables are removed after their parents");
static unsigned int abi = KLP_SHADOW_ABI;
module_param(abi, uint, 0444);
MODULE_PARM_DESC(abi, "value of .abi of the types");
static unsigned long id = ID_VAR;
module_param(id, ulong, 0444);
MODULE_PARM_DESC(id, "identifier of the variable");
static unsigned long size = sizeof(unsigned long);
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of the variable");
static unsigned long from[KLP_SHADOW_MAX_PREDECESSORS];
static unsigned int nr_from;
module_param_array(from, ulong, &nr_from, 0444);
MODULE_PARM_DESC(from, "identifiers that variables are converted from");
static int convert;
module_param(convert, int, 0444);
MODULE_PARM_DESC(convert, "conversion of every n-th variable fails; 0: of none");
static unsigned long extra_id, extra_from;
module_param(extra_id, ulong, 0444);
module_param(extra_from, ulong, 0444);
MODULE_PARM_DESC(extra_id, "first identifier of 30 more types; 0: ids that no other livepatch has");
MODULE_PARM_DESC(extra_from, "first identifier that these are converted from; 0: no conversion");
static unsigned long state_id;
module_param(state_id, ulong, 0444);
MODULE_PARM_DESC(state_id, "identifier of the shared state; 0: an id that no other livepatch has");
static unsigned int slow;
module_param(slow, uint, 0644);
MODULE_PARM_DESC(slow, "milliseconds that a release callback takes; if reduced, it ends early");
static int state_err;
module_param(state_err, int, 0444);
MODULE_PARM_DESC(state_err, "error that the constructor of the shared state returns");

static int var_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	ctors++;

	return 0;
}

static void var_dtor(void *obj, void *shadow_data)
{
	struct var *var = shadow_data;

	wrong += PARENT(var->number) != obj;
	dtors++;
}

static void be_slow(void)
{
	unsigned int ms;

	for (ms = 0; ms < READ_ONCE(slow); ms += 20)
		msleep(20);
}

/* The data is still complete. (G14) */
static void var_release(void *obj, void *shadow_data)
{
	struct var *var = shadow_data;

	might_sleep();
	be_slow();
	wrong += PARENT(var->number) != obj;
	releases++;
}

static int var_convert(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	struct var *var = shadow_data, *old = old_data;

	if (convert && old->number % convert == 0)
		return -ERANGE;
	wrong += old_id != from[0] && old_id != from[1];
	wrong += !!memchr_inv(shadow_data, 0, size);
	var->number = old->number;
	if (size >= sizeof(*var))
		var->last = old->number;
	converted++;

	return 0;
}

struct state {
	unsigned long built;
};

static int state_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	static unsigned long times;
	struct state *state = shadow_data;

	state->built = ++times;

	return state_err;
}

static void state_release(void *obj, void *shadow_data)
{
	be_slow();
}

static int extra_convert(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	*(unsigned long *)shadow_data = *(unsigned long *)old_data;
	converted++;

	return 0;
}

static struct klp_shadow_type extra[EXTRA] __used __section(KLP_SHADOW_SECTION)
	__aligned(__alignof__(struct klp_shadow_type));

static DEFINE_KLP_SHADOW(var, ID_VAR, unsigned long, .ctor = var_ctor, .dtor = var_dtor,
			 .release = var_release);
static DEFINE_KLP_SHADOW_SHARED(state, ID_STATE, struct state, .ctor = state_ctor,
				.release = state_release);

/* Usually types are constant. These are filled in from parameters before registration. */
static void define_types(void)
{
	unsigned int i;

	var.abi = abi;
	var.name = name;
	var.parent_module = *parent_module ? parent_module : NULL;
	var.outlives_parent = outlives_parent;
	var.id = id;
	var.size = size;
	if (nr_from)
		var.convert = var_convert;
	var.nr_predecessors = nr_from;
	memcpy(var.predecessors, from, sizeof(from));
	state.id = state_id ?: (unsigned long)&state;

	for (i = 0; i < EXTRA; i++) {
		extra[i].abi = KLP_SHADOW_ABI;
		extra[i].name = "extra";
		extra[i].parent_module = "vmlinux";
		extra[i].id = (extra_id ?: (unsigned long)extra) + i;
		extra[i].size = sizeof(unsigned long);
		if (!extra_from)
			continue;
		extra[i].convert = extra_convert;
		extra[i].nr_predecessors = 1;
		extra[i].predecessors[0] = extra_from + i;
	}
}

/* add: write n to add variables to parents 1 ... n. */
static int add_set(const char *text, const struct kernel_param *kp)
{
	unsigned long i, n;
	int err;

	err = kstrtoul(text, 0, &n);
	for (i = 1; i <= n && !err; i++) {
		unsigned long *data = klp_shadow_var_alloc(PARENT(i), var, GFP_KERNEL, NULL);

		if (data)
			*data = i;
		else
			err = -ENOMEM;
		cond_resched();
	}

	return err;
}

/* there: number of parents 1 ... 100 that have their variable. */
static int there_get(char *buffer, const struct kernel_param *kp)
{
	unsigned long i, n = 0;

	for (i = 1; i <= 100; i++) {
		struct var *data;

		rcu_read_lock();
		data = (struct var *)klp_shadow_var_get(PARENT(i), var);
		if (data) {
			n++;
			wrong += data->number != i;
			if (size >= sizeof(*data))
				wrong += data->last && data->last != i;
		}
		rcu_read_unlock();
	}

	return sysfs_emit(buffer, "%lu\n", n);
}

/* add_extra: write n to add n variables, one of each of the other types in turn. */
static int add_extra_set(const char *text, const struct kernel_param *kp)
{
	unsigned long i, n;
	int err;

	err = kstrtoul(text, 0, &n);
	for (i = 0; i < n && !err; i++) {
		if (!__klp_shadow_type_alloc(PARENT(i), &extra[i % EXTRA], GFP_KERNEL, NULL))
			err = -ENOMEM;
		cond_resched();
	}

	return err;
}

/* drop: write n to free the variable of parent n. */
static int drop_set(const char *text, const struct kernel_param *kp)
{
	unsigned long n;
	int err = kstrtoul(text, 0, &n);

	if (!err)
		klp_shadow_var_free(PARENT(n), var);

	return err;
}

/* state: 1 when the shared state is new. */
static int state_get(char *buffer, const struct kernel_param *kp)
{
	struct state *shared = klp_shadow_shared(state);

	return sysfs_emit(buffer, "%lu\n", shared ? shared->built : 0);
}

static int state_set(const char *text, const struct kernel_param *kp)
{
	struct state *shared = klp_shadow_shared(state);

	return shared ? kstrtoul(text, 0, &shared->built) : -ENOENT;
}

module_param_call(add, add_set, NULL, NULL, 0200);
module_param_call(add_extra, add_extra_set, NULL, NULL, 0200);
MODULE_PARM_DESC(add_extra, "write n: add n variables of the other types");
module_param_call(there, NULL, there_get, NULL, 0444);
module_param_call(drop, drop_set, NULL, NULL, 0200);
module_param_call(state, state_set, state_get, NULL, 0644);
MODULE_PARM_DESC(add, "write n: add variables to parents 1 ... n");
MODULE_PARM_DESC(there, "number of parents 1 ... 100 that have their variable");
MODULE_PARM_DESC(drop, "write n: free the variable of parent n");
MODULE_PARM_DESC(state, "a number in the shared state, 1 when it is new");

/* Shared state exists before any patched code can run. (G15) */
static void check_state(void)
{
	wrong += !klp_shadow_shared(state);
}

static unsigned int early;
module_param(early, uint, 0444);
MODULE_PARM_DESC(early, "number of variables that the pre-patch callback tries to add");

static void add_early(void)
{
	unsigned int i;

	for (i = 1; i <= early; i++) {
		unsigned long *data = klp_shadow_var_alloc(PARENT(i), var, GFP_KERNEL, NULL);

		if (data)
			*data = i;
	}
}

/* Shared state does not exist before klp_enable_patch(). (G15) */
static void check_no_state(void)
{
	wrong += !!klp_shadow_shared(state);
}
#else
static void add_early(void) { }
static void define_types(void) { }
static void check_state(void) { }
static void check_no_state(void) { }
#endif

static void poke(void)
{
	check_state();
	while (READ_ONCE(block)) {
		WRITE_ONCE(blocked, true);
		msleep(20);
	}
	WRITE_ONCE(blocked, false);
}

static struct klp_func funcs[] = {
	{ .old_name = "test_klp_shadow_poke", .new_func = poke },
	{ }
};

static int pre_patch(struct klp_object *obj)
{
	check_state();
	add_early();

	return fail ? -ENODEV : 0;
}

static struct klp_object objs[] = {
	{ .name = "test_klp_shadow_owner", .funcs = funcs, .callbacks.pre_patch = pre_patch },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init lp_init(void)
{
	define_types();
	check_no_state();
	patch.replace = replace;
	if (no_target)
		funcs[0].old_name = "test_klp_shadow_no_such_function";

	return klp_enable_patch(&patch);
}

static void __exit lp_exit(void)
{
	pr_info("%s: ctors %u, dtors %u, releases %u, converted %u, wrong %u\n", KBUILD_MODNAME,
		ctors, dtors, releases, converted, wrong);
}

module_init(lp_init);
module_exit(lp_exit);
MODULE_DESCRIPTION("Test of shadow variables: a livepatch that may have types");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
