// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Variables for the tests of the module klp_shadow. Calls the functions of the kernel, as
 * livepatches do that know nothing of that module.
 *
 * Writing a command to the parameter "run" executes it; the write fails if a check does:
 *
 *   add FROM TO      add the variables with these numbers
 *   free FROM TO     free them
 *   check TO         each variable below TO is found if it exists, and not otherwise; and the
 *                    threads of "stress" have found no fault yet
 *   free_all         free all variables by id; each is destroyed once
 *   stray            add the variable 7 by a call that ftrace does not redirect
 *   twin             add it in this way, and then by an ordinary call
 *   kill_ftrace      what ftrace does when it finds an error
 *   time             time lookups
 *   stress start     start threads that add, look up and free, and lookups in NMIs
 *   stress stop      stop them, and report
 */
#define pr_fmt(fmt) "test_takeover: " fmt

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#define MAX_VARIABLES	(2UL << 20)

#define ID		0x7e570000UL
#define NR_IDS		3
#define ID_NULL		0x7e580000UL
#define ID_RESIDENT	0x7e570010UL
#define ID_CHURN	0x7e570011UL
#define ID_RACE		0x7e570012UL
#define ID_ALL		0x7e570013UL

static DEFINE_MUTEX(run_mutex);

/* === Numbered variables === */

struct data {
	unsigned long number;
	unsigned long check;
};

static unsigned long *present;
static atomic_long_t constructed, destroyed;

/* What the threads of "stress" have found. */
static atomic_long_t faults;

/* Some are attached to NULL. Parents are never dereferenced. */
static void *parent(unsigned long i)
{
	return i % 500 ? (void *)(0xfefe000000000000UL + 64 * i) : NULL;
}

static unsigned long id(unsigned long i)
{
	return i % 500 ? ID + i % NR_IDS : ID_NULL + i;
}

static int ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct data *data = shadow_data;

	data->number = *(unsigned long *)ctor_data;
	data->check = ~data->number;
	atomic_long_inc(&constructed);

	return 0;
}

static void dtor(void *obj, void *shadow_data)
{
	struct data *data = shadow_data;

	if (data->check == ~data->number && parent(data->number) == obj)
		atomic_long_inc(&destroyed);
	/* Not twice. */
	data->check = 0;
}

static int add(unsigned long from, unsigned long to)
{
	unsigned long i;

	for (i = from; i < to; i++) {
		if (!klp_shadow_alloc(parent(i), id(i), sizeof(struct data), GFP_KERNEL, ctor,
				      &i)) {
			pr_err("variable %lu cannot be added\n", i);
			return -EINVAL;
		}
		__set_bit(i, present);
		cond_resched();
	}

	return 0;
}

static int remove(unsigned long from, unsigned long to)
{
	long before = atomic_long_read(&destroyed);
	unsigned long i;

	for (i = from; i < to; i++) {
		klp_shadow_free(parent(i), id(i), dtor);
		__clear_bit(i, present);
		cond_resched();
	}
	if (atomic_long_read(&destroyed) - before != to - from) {
		pr_err("%ld variables of %lu were destroyed\n",
		       atomic_long_read(&destroyed) - before, to - from);
		return -EINVAL;
	}

	return 0;
}

static int check(unsigned long to)
{
	unsigned long i, missed = 0, ghosts = 0, wrong = 0;
	struct data *data;

	for (i = 0; i < to; i++) {
		data = klp_shadow_get(parent(i), id(i));
		if (!data)
			missed += test_bit(i, present);
		else if (!test_bit(i, present))
			ghosts++;
		else
			wrong += data->number != i || data->check != ~i;
		cond_resched();
	}
	pr_info("%lu variables of %lu: missed %lu, wrong %lu, not expected %lu\n",
		(unsigned long)bitmap_weight(present, to), to, missed, wrong, ghosts);

	return missed || ghosts || wrong || atomic_long_read(&faults) ? -EINVAL : 0;
}

static int free_all(void)
{
	long expected = bitmap_weight(present, MAX_VARIABLES), before;
	unsigned long i;

	before = atomic_long_read(&destroyed);
	for (i = 0; i < NR_IDS; i++)
		klp_shadow_free_all(ID + i, dtor);
	for (i = 0; i < MAX_VARIABLES; i += 500)
		klp_shadow_free_all(ID_NULL + i, dtor);
	pr_info("destroyed %ld of %ld\n", atomic_long_read(&destroyed) - before, expected);
	bitmap_zero(present, MAX_VARIABLES);

	return atomic_long_read(&destroyed) - before == expected &&
	       atomic_long_read(&destroyed) == atomic_long_read(&constructed) ? 0 : -EINVAL;
}

/* A call that ftrace does not redirect: it enters the function behind its call of ftrace. */
static int add_stray(klp_shadow_ctor_t constructor)
{
	static const u8 endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	u8 *entry = (u8 *)klp_shadow_alloc;
	unsigned long i = 7;

	entry += memcmp(entry, endbr, sizeof(endbr)) ? 0 : sizeof(endbr);
	entry += 5;
	if (!((typeof(klp_shadow_alloc) *)entry)(parent(i), id(i), sizeof(struct data),
						 GFP_KERNEL, constructor, &i))
		return -ENOMEM;
	if (klp_shadow_get(parent(i), id(i)))
		return -EEXIST;
	__set_bit(i, present);

	return 0;
}

static int kill_ftrace(void)
{
	struct kprobe probe = { .symbol_name = "ftrace_kill" };
	int err = register_kprobe(&probe);
	void (*kill)(void) = (void *)probe.addr;

	if (err)
		return err;
	unregister_kprobe(&probe);
	kill();

	return 0;
}

static int time_lookups(void)
{
	unsigned long i, n = 0;
	u64 ns = ktime_get_ns();

	for (i = 1; i < MAX_VARIABLES && n < 200000; i += 7) {
		if (!test_bit(i, present))
			continue;
		klp_shadow_get(parent(i), id(i));
		n++;
	}
	ns = ktime_get_ns() - ns;
	pr_info("%lu lookups, %llu ns each\n", n, n ? ns / n : 0);

	return 0;
}

/* === Stress === */

#define NR_RESIDENTS	2000
#define NR_CHURN	300
#define NR_RACE		16
#define NR_ALL		100

static char residents[NR_RESIDENTS], churned[8][NR_CHURN], raced[NR_RACE], freed[NR_ALL];
static atomic_long_t operations, in_nmi_count;
static atomic_long_t race_constructed, race_destroyed;
static struct task_struct *threads[16];
static unsigned int nr_threads;
static bool nmi_wanted;

/* Removing a redirection waits for RCU Tasks, which kernel threads without pauses hold up. */
static void breathe(void)
{
	cond_resched_tasks_rcu_qs();
}

#define fault(...)	\
	(atomic_long_inc_return(&faults) > 3 ? 0 : pr_err(__VA_ARGS__))

static int resident_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	*(void **)shadow_data = obj;

	return 0;
}

static void look_at_resident(unsigned int i, const char *where)
{
	void **data;

	rcu_read_lock();
	data = klp_shadow_get(&residents[i], ID_RESIDENT);
	if (!data || *data != &residents[i])
		fault("%s: a resident is missed\n", where);
	rcu_read_unlock();
	atomic_long_inc(&operations);
}

static int reader(void *arg)
{
	unsigned int i = (unsigned long)arg;

	while (!kthread_should_stop()) {
		i = (i + 7) % NR_RESIDENTS;
		look_at_resident(i, "reader");
		if (klp_shadow_get(&residents[i], ID_CHURN))
			fault("reader: what does not exist is found\n");
		if (!(i % 64))
			breathe();
	}

	return 0;
}

static int churn(void *arg)
{
	char *mine = churned[(unsigned long)arg];
	unsigned int i, n;
	unsigned long *data;

	while (!kthread_should_stop()) {
		n = 1 + get_random_u32() % NR_CHURN;
		for (i = 0; i < n; i++) {
			data = klp_shadow_alloc(&mine[i], ID_CHURN, sizeof(*data), GFP_KERNEL,
						resident_ctor, NULL);
			if (!data)
				fault("churn: cannot be added\n");
		}
		for (i = 0; i < n; i++) {
			data = klp_shadow_get(&mine[i], ID_CHURN);
			if (!data || *(void **)data != &mine[i])
				fault("churn: missed\n");
		}
		for (i = 0; i < n; i++) {
			klp_shadow_free(&mine[i], ID_CHURN, NULL);
			if (klp_shadow_get(&mine[i], ID_CHURN))
				fault("churn: found after it was freed\n");
		}
		atomic_long_add(4 * n, &operations);
		breathe();
	}

	return 0;
}

static int race_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	atomic_long_inc(&race_constructed);

	return 0;
}

static void race_dtor(void *obj, void *shadow_data)
{
	atomic_long_inc(&race_destroyed);
}

static int race(void *arg)
{
	unsigned int i;

	while (!kthread_should_stop()) {
		i = get_random_u32() % NR_RACE;
		if (!klp_shadow_get_or_alloc(&raced[i], ID_RACE, 32, GFP_KERNEL, race_ctor, NULL))
			fault("race: no variable\n");
		if (get_random_u32() % 4 == 0)
			klp_shadow_free(&raced[get_random_u32() % NR_RACE], ID_RACE, race_dtor);
		atomic_long_inc(&operations);
		breathe();
	}

	return 0;
}

static atomic_long_t all_destroyed;

static void all_dtor(void *obj, void *shadow_data)
{
	atomic_long_inc(&all_destroyed);
}

static int free_by_id(void *arg)
{
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < NR_ALL; i++) {
			if (!klp_shadow_alloc(&freed[i], ID_ALL, 8, GFP_KERNEL, NULL, NULL))
				fault("free_all: cannot be added\n");
		}
		atomic_long_set(&all_destroyed, 0);
		klp_shadow_free_all(ID_ALL, all_dtor);
		if (atomic_long_read(&all_destroyed) != NR_ALL)
			fault("free_all: %ld destroyed\n", atomic_long_read(&all_destroyed));
		for (i = 0; i < NR_ALL; i++) {
			if (klp_shadow_get(&freed[i], ID_ALL))
				fault("free_all: found after it was freed\n");
		}
		atomic_long_add(3 * NR_ALL, &operations);
		breathe();
	}

	return 0;
}

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	static unsigned int i;

	if (!READ_ONCE(nmi_wanted))
		return NMI_DONE;
	i = (i + 11) % NR_RESIDENTS;
	look_at_resident(i, "NMI");
	atomic_long_inc(&in_nmi_count);
	WRITE_ONCE(nmi_wanted, false);

	return NMI_HANDLED;
}

static int send_nmis(void *arg)
{
	unsigned int cpu = 0, spins;

	while (!kthread_should_stop()) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		WRITE_ONCE(nmi_wanted, true);
		apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
		for (spins = 0; READ_ONCE(nmi_wanted) && spins < 100; spins++)
			usleep_range(50, 100);
		usleep_range(300, 600);
	}
	WRITE_ONCE(nmi_wanted, false);

	return 0;
}

static int stress_stop(void)
{
	unsigned int i;
	long left = 0;

	while (nr_threads)
		kthread_stop(threads[--nr_threads]);
	unregister_nmi_handler(NMI_LOCAL, "test_takeover");
	for (i = 0; i < NR_RESIDENTS; i++) {
		look_at_resident(i, "stop");
		klp_shadow_free(&residents[i], ID_RESIDENT, NULL);
		if (klp_shadow_get(&residents[i], ID_RESIDENT))
			fault("stop: found after it was freed\n");
	}
	for (i = 0; i < NR_RACE; i++) {
		left += !!klp_shadow_get(&raced[i], ID_RACE);
		klp_shadow_free(&raced[i], ID_RACE, race_dtor);
	}
	if (atomic_long_read(&race_constructed) != atomic_long_read(&race_destroyed))
		fault("race: constructed %ld, destroyed %ld, %ld left\n",
		      atomic_long_read(&race_constructed), atomic_long_read(&race_destroyed), left);
	pr_info("stress: %ld operations, %ld in NMIs, %ld faults\n",
		atomic_long_read(&operations), atomic_long_read(&in_nmi_count),
		atomic_long_read(&faults));

	return atomic_long_read(&faults) ? -EINVAL : 0;
}

static int stress_start(void)
{
	static const struct {
		int (*fn)(void *arg);
		unsigned long arg;
	} functions[] = {
		{ reader, 0 }, { reader, 1 }, { churn, 0 }, { churn, 1 }, { race, 0 }, { race, 1 },
		{ free_by_id, 0 }, { send_nmis, 0 },
	};
	struct task_struct *task;
	unsigned int i;
	int err;

	if (nr_threads)
		return -EBUSY;
	atomic_long_set(&operations, 0);
	atomic_long_set(&in_nmi_count, 0);
	for (i = 0; i < NR_RESIDENTS; i++) {
		if (!klp_shadow_alloc(&residents[i], ID_RESIDENT, sizeof(void *), GFP_KERNEL,
				      resident_ctor, NULL))
			return -ENOMEM;
	}
	err = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "test_takeover");
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		task = kthread_run(functions[i].fn, (void *)functions[i].arg, "takeover-%u", i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		threads[nr_threads++] = task;
	}

	return 0;
}

/* === Commands === */

static int run_command(const char *command)
{
	unsigned long from, to;

	if (sscanf(command, "add %lu %lu", &from, &to) == 2 && to <= MAX_VARIABLES)
		return add(from, to);
	if (sscanf(command, "free %lu %lu", &from, &to) == 2 && to <= MAX_VARIABLES)
		return remove(from, to);
	if (sscanf(command, "check %lu", &to) == 1 && to <= MAX_VARIABLES)
		return check(to);
	if (!strcmp(command, "free_all"))
		return free_all();
	if (!strcmp(command, "stray"))
		return add_stray(ctor);
	if (!strcmp(command, "twin"))
		return add_stray(NULL) ?: add(7, 8);
	if (!strcmp(command, "kill_ftrace"))
		return kill_ftrace();
	if (!strcmp(command, "time"))
		return time_lookups();
	if (!strcmp(command, "stress start"))
		return stress_start();
	if (!strcmp(command, "stress stop"))
		return stress_stop();

	pr_err("no such command: '%s'\n", command);
	return -EINVAL;
}

static int run_set(const char *value, const struct kernel_param *kp)
{
	char command[64];
	int err;

	strscpy(command, value, sizeof(command));
	strim(command);
	/* Some commands take long: without the lock of parameters. */
	kernel_param_unlock(THIS_MODULE);
	mutex_lock(&run_mutex);
	err = run_command(command);
	mutex_unlock(&run_mutex);
	kernel_param_lock(THIS_MODULE);

	return err;
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);

static int __init test_takeover_init(void)
{
	present = vzalloc(BITS_TO_LONGS(MAX_VARIABLES) * sizeof(long));

	return present ? 0 : -ENOMEM;
}

static void __exit test_takeover_exit(void)
{
	if (nr_threads)
		stress_stop();
	free_all();
	vfree(present);
}

module_init(test_takeover_init);
module_exit(test_takeover_exit);
MODULE_DESCRIPTION("Test of taking over: variables");
MODULE_LICENSE("GPL");
