// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Contexts of the calls: lookups in any context, including NMI and while klp_shadow_lock
 * is held (G1); the other calls in interrupts and with other spinlocks held (G6).
 */
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "test_klp_shadow.h"

#define ID_RESIDENT	0x5d0f0001UL
#define ID_ABSENT	0x5d0f0002UL
#define ID_LOCKED	0x5d0f0003UL
#define ID_CHURN	0x5d0f0004UL
#define ID_CYCLE	0x5d0f0005UL	/* and ID_CYCLE + 1 */

#define CHURN		32
#define CHURN_MS	500

static int objs[CHURN];
static void *resident;

static int set_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	*(void **)shadow_data = ctor_data;

	return 0;
}

static void set_dtor(void *obj, void *shadow_data)
{
	*(void **)shadow_data = NULL;
}

/* --- All calls in one context --- */

/* Returns the name of the call that fails, or NULL. */
static const char *cycle(void)
{
	static int obj;
	void **a, **b;
	const char *wrong = NULL;

	if (klp_shadow_get(&obj, ID_CYCLE))
		return "an absent variable is found";
	a = klp_shadow_alloc(&obj, ID_CYCLE, sizeof(*a), GFP_ATOMIC, set_ctor, &obj);
	if (!a || *a != &obj || klp_shadow_get(&obj, ID_CYCLE) != a)
		wrong = "alloc";
	if (klp_shadow_get_or_alloc(&obj, ID_CYCLE, sizeof(*a), GFP_ATOMIC, set_ctor, NULL) != a)
		wrong = "get_or_alloc of an existing variable";
	b = klp_shadow_get_or_alloc(&obj, ID_CYCLE + 1, sizeof(*b), GFP_ATOMIC, set_ctor, &obj);
	if (!b || *b != &obj || klp_shadow_get(&obj, ID_CYCLE + 1) != b)
		wrong = "get_or_alloc of an absent variable";
	klp_shadow_free(&obj, ID_CYCLE, set_dtor);
	if (klp_shadow_get(&obj, ID_CYCLE))
		wrong = "free";
	if (klp_shadow_get(&obj, ID_CYCLE + 1) != b)
		wrong = "free removes another variable";
	klp_shadow_free_all(ID_CYCLE + 1, set_dtor);
	if (klp_shadow_get(&obj, ID_CYCLE + 1))
		wrong = "free_all";

	return wrong;
}

static const char *wrong;
static bool right_context;
static struct completion cycle_done;

static void cycle_irq_work(struct irq_work *work)
{
	right_context = in_hardirq();
	wrong = cycle();
	complete(&cycle_done);
}

static void cycle_tasklet(struct tasklet_struct *tasklet)
{
	right_context = in_serving_softirq() && !in_hardirq();
	wrong = cycle();
	complete(&cycle_done);
}

static void test_cycles(void)
{
	static DEFINE_RAW_SPINLOCK(raw_lock);
	static DEFINE_SPINLOCK(lock);
	static struct irq_work work;
	static struct tasklet_struct tasklet;
	unsigned long flags;

	wrong = cycle();
	check(!wrong, "G6 all calls in a process%s%s", wrong ? ": " : "", wrong ?: "");

	/* From here on, lockdep reports it if the lock is also taken with interrupts on. */
	init_completion(&cycle_done);
	init_irq_work(&work, cycle_irq_work);
	irq_work_queue(&work);
	wait_for_completion(&cycle_done);
	irq_work_sync(&work);
	check(!wrong, "G6 all calls in a hard interrupt%s%s", wrong ? ": " : "", wrong ?: "");
	check(right_context, "G6 the context was a hard interrupt");

	init_completion(&cycle_done);
	tasklet_setup(&tasklet, cycle_tasklet);
	tasklet_schedule(&tasklet);
	wait_for_completion(&cycle_done);
	tasklet_kill(&tasklet);
	check(!wrong, "G6 all calls in a soft interrupt%s%s", wrong ? ": " : "", wrong ?: "");
	check(right_context, "G6 the context was a soft interrupt");

	spin_lock_irqsave(&lock, flags);
	wrong = cycle();
	right_context = irqs_disabled();
	spin_unlock_irqrestore(&lock, flags);
	check(!wrong, "G6 all calls under another spinlock%s%s", wrong ? ": " : "", wrong ?: "");
	check(right_context, "G6 interrupts stay off if they were");

	raw_spin_lock_irqsave(&raw_lock, flags);
	right_context = klp_shadow_get(objs, ID_RESIDENT) == resident;
	raw_spin_unlock_irqrestore(&raw_lock, flags);
	check(right_context, "G1 lookups under a raw spinlock");
}

/* --- Another CPU holds klp_shadow_lock --- */

static bool locked, looked, waited_in_vain, found;

static int waiting_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	WRITE_ONCE(locked, true);
	if (!spin_until(READ_ONCE(looked), 1000))
		waited_in_vain = true;

	return 0;
}

static void waiting_dtor(void *obj, void *shadow_data)
{
	waiting_ctor(obj, shadow_data, NULL);
}

static void add(void *arg)
{
	klp_shadow_alloc(objs, ID_LOCKED, 0, GFP_KERNEL, waiting_ctor, NULL);
}

static void remove(void *arg)
{
	klp_shadow_free(objs, ID_LOCKED, waiting_dtor);
}

static void look(void *arg)
{
	spin_until(READ_ONCE(locked), 3000);
	found = klp_shadow_get(objs, ID_RESIDENT) == resident &&
		!klp_shadow_get(objs, ID_ABSENT) && !klp_shadow_get(objs, ID_LOCKED);
	WRITE_ONCE(looked, true);
}

/* Returns true if lookups do not wait for the CPU that holds the lock. */
static bool look_during(void (*call)(void *arg))
{
	int ret;

	locked = false;
	looked = false;
	ret = test_run_both(call, look, NULL);

	return !ret && locked && found && !waited_in_vain;
}

/* --- NMI --- */

#ifdef CONFIG_X86_LOCAL_APIC

#define NMI_NAME	"test_klp_shadow"

static struct {
	bool wanted;
	unsigned int count;
	unsigned int elsewhere;	/* not in NMI context */
	unsigned int lost;	/* the resident was not found */
	unsigned int ghosts;	/* something absent was found */
	void *locked;
} nmi;

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	if (!READ_ONCE(nmi.wanted))
		return NMI_DONE;

	if (!in_nmi())
		nmi.elsewhere++;
	if (klp_shadow_get(objs, ID_RESIDENT) != resident)
		nmi.lost++;
	if (klp_shadow_get(objs, ID_ABSENT))
		nmi.ghosts++;
	nmi.locked = klp_shadow_get(objs, ID_LOCKED);
	nmi.count++;
	/* After the results. Pairs with smp_load_acquire() in send_nmi(). */
	smp_store_release(&nmi.wanted, false);

	return NMI_HANDLED;
}

/* Returns whether @cpu, which may be this one, has handled an NMI. */
static bool send_nmi(unsigned int cpu)
{
	WRITE_ONCE(nmi.wanted, true);
	apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);

	/* Before the results are read. Pairs with smp_store_release() in on_nmi(). */
	return spin_until(!smp_load_acquire(&nmi.wanted), 1000);
}

static bool nmi_came;

static int nmi_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	nmi_came = send_nmi(smp_processor_id());

	return 0;
}

static void nmi_dtor(void *obj, void *shadow_data)
{
	nmi_came = send_nmi(smp_processor_id());
}

static bool churn_over;
static unsigned int churned;

static void churn(void *arg)
{
	unsigned int i;

	while (!READ_ONCE(churn_over)) {
		for (i = 0; i < CHURN; i++)
			klp_shadow_get_or_alloc(&objs[i], ID_CHURN, 0, GFP_KERNEL, NULL, NULL);
		for (i = 0; i < CHURN; i += 2)
			klp_shadow_free(&objs[i], ID_CHURN, NULL);
		klp_shadow_free_all(ID_CHURN, NULL);
		churned++;
		cond_resched();
	}
}

static void test_nmi_storm(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(CHURN_MS);
	static struct test_thread thread;
	unsigned int cpu, sent = 0, before = nmi.count;

	cpu = cpumask_next(cpumask_first(cpu_online_mask), cpu_online_mask);
	if (cpu >= nr_cpu_ids) {
		check(true, "G1 NMIs on another CPU # SKIP needs two CPUs");
		return;
	}
	if (test_thread_create(&thread, 1, churn, NULL)) {
		check(false, "G1 there is a thread to interrupt");
		return;
	}
	wake_up_process(thread.task);
	while (time_before(jiffies, end)) {
		if (!send_nmi(cpu))
			break;
		sent++;
		/* Vary the delay, so that NMIs interrupt all parts of churn(). */
		udelay(10 + sent % 37);
		cond_resched();
	}
	WRITE_ONCE(churn_over, true);
	test_thread_join(&thread);
	check(sent > 10 && churned && nmi.count - before == sent,
	      "G1 %u NMIs on a CPU that adds and frees, %u rounds", sent, churned);
	check(!nmi.lost && !nmi.ghosts,
	      "G1 lookups in NMI find existing variables only: %u lost, %u ghosts", nmi.lost,
	      nmi.ghosts);
}

static void test_nmi(void)
{
	if (register_nmi_handler(NMI_LOCAL, on_nmi, 0, NMI_NAME)) {
		check(false, "G1 there is an NMI handler");
		return;
	}
	preempt_disable();
	nmi_came = send_nmi(smp_processor_id());
	preempt_enable();
	if (!nmi_came) {
		WRITE_ONCE(nmi.wanted, false);
		check(true, "G1 lookups in NMI # SKIP this machine cannot send an NMI to itself");
		goto out;
	}
	check(nmi.count == 1 && !nmi.lost && !nmi.ghosts, "G1 lookups in NMI");

	nmi.locked = &nmi;
	nmi_came = false;
	check(klp_shadow_alloc(objs, ID_LOCKED, 0, GFP_KERNEL, nmi_ctor, NULL) && nmi_came &&
	      !nmi.lost && !nmi.ghosts, "G1 lookups in an NMI that interrupts a constructor");
	check(!nmi.locked, "G2 lookups in NMI miss a variable under construction");
	send_nmi(raw_smp_processor_id());
	check(nmi.locked, "G1 lookups in NMI find it when it is constructed");
	nmi_came = false;
	klp_shadow_free(objs, ID_LOCKED, nmi_dtor);
	check(nmi_came && !nmi.lost && !nmi.ghosts,
	      "G1 lookups in an NMI that interrupts a destructor");
	check(!nmi.locked, "G7 lookups in NMI miss a variable under destruction");

	test_nmi_storm();
	check(!nmi.elsewhere, "G1 the context was NMI");
out:
	unregister_nmi_handler(NMI_LOCAL, NMI_NAME);
}

#else

static void test_nmi(void)
{
	check(true, "G1 lookups in NMI # SKIP not implemented for this architecture");
}

#endif

static int __init test_init(void)
{
	bool lock_free;

	resident = klp_shadow_alloc(objs, ID_RESIDENT, 8, GFP_KERNEL, NULL, NULL);
	if (!resident)
		return -ENOMEM;

	test_cycles();
	if (num_online_cpus() > 1) {
		lock_free = look_during(add);
		check(lock_free, "G1 lookups do not wait for a constructor on another CPU");
		lock_free &= look_during(remove);
		check(lock_free, "G1 lookups do not wait for a destructor on another CPU");
	} else {
		lock_free = true;
		check(true, "G1 lookups during constructors and destructors # SKIP needs two CPUs");
	}
	/* A lookup that waits for the lock in NMI would hang the machine. */
	if (lock_free)
		test_nmi();
	else
		check(false, "G1 lookups in NMI would wait for a lock");

	klp_shadow_free(objs, ID_RESIDENT, NULL);
	klp_shadow_free_all(ID_LOCKED, NULL);
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: contexts of the calls");
MODULE_LICENSE("GPL");
