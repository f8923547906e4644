/*
 * The counters on a kernel of our own: errors, groups, multiplexing and rdpmc come out the same on every
 * machine. One that was refused must be explained, one that never ran must not read as zero.
 */
#include "test.h"

#include "measure/pmu_names.h"

#include <errno.h>
#include <linux/perf_event.h>

enum { MOST = 16, FIRST_FD = 100 };

static struct fake {
    int refuse_kernel; /* errno for events that count kernel mode too */
    int refuse_all;    /* errno for every open */
    int refuse_at;     /* errno at the refuse_nth open of a group member */
    int opened;
    struct {
        struct perf_event_attr attr;
        int group_fd;
        bool open, on;
        uint64_t value, enabled, running;
        struct perf_event_mmap_page page;
    } at[MOST];
    uint64_t counters[4];
    bool no_pages;
    int lock_moves; /* times that the kernel writes the page under a reader */
} fake;

static int fake_open(void *attr, int group_fd)
{
    const struct perf_event_attr *a = attr;
    int error = fake.refuse_all;
    if (!error && fake.refuse_kernel && !a->exclude_kernel)
        error = fake.refuse_kernel;
    if (!error && fake.refuse_at && group_fd >= 0)
        error = fake.refuse_at;
    if (error || fake.opened == MOST) {
        errno = error ? error : EMFILE;
        return -1;
    }
    int i = 0;
    while (fake.at[i].open)
        i++;
    memset(&fake.at[i], 0, sizeof(fake.at[i]));
    fake.at[i].attr = *a;
    fake.at[i].group_fd = group_fd;
    fake.at[i].open = true;
    fake.opened++;
    return FIRST_FD + i;
}

static ssize_t fake_read(int fd, void *buffer, size_t size)
{
    uint64_t raw[3] = {fake.at[fd - FIRST_FD].value, fake.at[fd - FIRST_FD].enabled, fake.at[fd - FIRST_FD].running};
    assert_int_equal(size, sizeof(raw));
    memcpy(buffer, raw, sizeof(raw));
    return sizeof(raw);
}

static int fake_enable(int fd, bool on)
{
    fake.at[fd - FIRST_FD].on = on;
    return 0;
}

static void *fake_map(int fd)
{
    return fake.no_pages ? NULL : &fake.at[fd - FIRST_FD].page;
}

static void fake_unmap(void *page)
{
    (void)page;
}

static int fake_close(int fd)
{
    fake.at[fd - FIRST_FD].open = false;
    fake.opened--;
    return 0;
}

static uint64_t fake_rdpmc(uint32_t counter)
{
    if (fake.lock_moves) {
        fake.lock_moves--;
        for (int i = 0; i < MOST; i++)
            fake.at[i].page.lock += 2;
        return 0xdead;
    }
    return fake.counters[counter];
}

static const struct sb_pmu_kernel kernel = {fake_open,  fake_read,  fake_enable, fake_map,
                                            fake_unmap, fake_close, fake_rdpmc};

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    sb_pmu_use(&kernel);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sb_pmu_use(NULL);
    return fake.opened; /* whatever was opened is closed */
}

static void expect_reason(int error, const char *list, const char *words)
{
    struct sb_pmu pmu;
    fake.refuse_all = error;
    assert_false(sb_pmu_machine_has_hardware());
    sb_pmu_prepare(&pmu, list, sb_pmu_encode_name, NULL);
    assert_false(pmu.at[0].unknown);
    if (!pmu.at[0].reason || !strstr(pmu.at[0].reason, words))
        fail_msg("errno %d is explained by '%s', which lacks '%s'", error, pmu.at[0].reason, words);
    sb_pmu_free(&pmu);
    fake.refuse_all = 0;
}

static void errors_are_explained(void **state)
{
    (void)state;
    expect_reason(ENOENT, "perf::CYCLES", "no such hardware counter");
    expect_reason(ENOENT, "perf::PAGE-FAULTS", "no such software event");
    expect_reason(EACCES, "perf::CYCLES",
                  "Permission denied)"); /* in brackets: behind a cause, which the machine decides */
    expect_reason(EMFILE, "perf::CYCLES", "ulimit -n");
    expect_reason(ENOSYS, "perf::CYCLES", "no perf_event_open");
    expect_reason(EINVAL, "perf::CYCLES", "name another event");
    expect_reason(EBUSY, "perf::CYCLES", "busy");
}

/* One cause each: raising the level mends nothing where it isn't what forbids. */
static void refusals_name_their_cause(void **state)
{
    static const struct {
        const char *paranoid;
        bool user_only, filtered, capable;
        const char *words;
    } cases[] = {
        {"2", false, false, false, "perf_event_paranoid is 2: `sysctl kernel.perf_event_paranoid=1` as root"},
        {"4", true, true, false, "perf_event_paranoid is 4, and a sandbox filters system calls"},
        /* User mode alone the kernel allows at 2. */
        {"2", true, true, false, "a sandbox forbids perf_event_open"},
        {"2", true, false, false, "look for a security module's rule"},
        {NULL, false, false, false, "perf_event_paranoid is unreadable: `sysctl"},
        {"-1", true, true, false, "a sandbox forbids perf_event_open (seccomp; Operation not permitted)"},
        {"4", true, true, true, "a sandbox forbids perf_event_open"},
        {"1", false, false, false, "look for a security module's rule"},
        {"4", false, false, true, "though perf_event_paranoid is 4 and this process may count"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *why =
            sb_pmu_explain_refusal(-EPERM, cases[i].paranoid, cases[i].user_only, cases[i].filtered, cases[i].capable);
        if (!strstr(why, cases[i].words))
            fail_msg("case %zu: '%s' lacks '%s'", i, why, cases[i].words);
        free(why);
    }
}

static void refused_kernel_mode_leaves_user_mode(void **state)
{
    struct sb_pmu pmu;
    (void)state;
    fake.refuse_kernel = EACCES;
    sb_pmu_prepare(&pmu, "perf::CYCLES, perf::CONTEXT-SWITCHES", sb_pmu_encode_name, NULL);
    assert_null(pmu.at[0].reason);
    assert_true(pmu.at[0].user_only);
    /* Switches happen in kernel mode: counted in user mode they would be 0. */
    assert_non_null(pmu.at[1].reason);
    sb_pmu_free(&pmu);
}

static void roles_are_known(void **state)
{
    struct sb_pmu pmu;
    (void)state;
    sb_pmu_prepare(&pmu, "perf::CYCLES, perf::INSTRUCTIONS, perf::PAGE-FAULTS", sb_pmu_encode_name, NULL);
    assert_int_equal(pmu.at[0].role, SB_ROLE_CYCLES);
    assert_int_equal(pmu.at[1].role, SB_ROLE_INSTRUCTIONS);
    assert_int_equal(pmu.at[2].role, SB_ROLE_OTHER);
    assert_true(pmu.at[0].hardware && !pmu.at[2].hardware);
    assert_true(sb_pmu_machine_has_hardware());
    sb_pmu_free(&pmu);
}

static void values_are_scaled_and_never_made_up(void **state)
{
    struct sb_pmu pmu;
    struct sb_pmu_counters c;
    struct sb_pmu_reading r;
    (void)state;
    fake.no_pages = true;
    sb_pmu_prepare(&pmu, "perf::CYCLES, perf::PAGE-FAULTS, perf::INSTRUCTIONS", sb_pmu_encode_name, NULL);
    sb_pmu_open(&pmu, &c);
    sb_pmu_start(&c);
    for (size_t i = 0; i < 3; i++)
        assert_true(fake.at[c.at[i].fd - FIRST_FD].on);
    fake.at[c.at[0].fd - FIRST_FD].value = 1000;
    fake.at[c.at[0].fd - FIRST_FD].enabled = 400;
    fake.at[c.at[0].fd - FIRST_FD].running = 100;
    fake.at[c.at[1].fd - FIRST_FD].enabled = fake.at[c.at[1].fd - FIRST_FD].running = 400;
    fake.at[c.at[2].fd - FIRST_FD].enabled = 400;
    sb_pmu_stop(&c);
    assert_false(fake.at[c.at[0].fd - FIRST_FD].on);
    assert_true(sb_pmu_read(&c, 0, &r) && r.value == 1000 && sb_pmu_scaled(&r) == 4000);
    assert_true(sb_pmu_read(&c, 1, &r) && r.value == 0 && sb_pmu_scaled(&r) == 0);
    assert_false(sb_pmu_read(&c, 2, &r)); /* never on the hardware: not counted */
    sb_pmu_close(&c);
    sb_pmu_free(&pmu);
}

static void a_group_is_opened_under_its_hardware_event(void **state)
{
    struct sb_pmu pmu;
    struct sb_pmu_counters c;
    (void)state;
    sb_pmu_prepare(&pmu, "perf::PAGE-FAULTS, {perf::CPU-CLOCK, perf::CYCLES, perf::INSTRUCTIONS}", sb_pmu_encode_name,
                   NULL);
    assert_int_equal(pmu.n, 4);
    assert_int_equal(pmu.at[0].group, 0);
    assert_string_equal(pmu.at[1].name, "perf::CPU-CLOCK");
    assert_string_equal(pmu.at[3].name, "perf::INSTRUCTIONS");
    for (size_t i = 1; i < 4; i++)
        assert_true(pmu.at[i].leader == 2 && pmu.at[i].group == 1 && !pmu.at[i].reason);
    sb_pmu_open(&pmu, &c);
    int leader = c.at[2].fd;
    assert_int_equal(fake.at[leader - FIRST_FD].group_fd, -1);
    assert_int_equal(fake.at[c.at[1].fd - FIRST_FD].group_fd, leader);
    assert_int_equal(fake.at[c.at[3].fd - FIRST_FD].group_fd, leader);
    /* The leader alone begins stopped: enabling it enables all at once. */
    assert_true(fake.at[leader - FIRST_FD].attr.disabled && !fake.at[c.at[1].fd - FIRST_FD].attr.disabled);
    sb_pmu_start(&c);
    assert_true(fake.at[leader - FIRST_FD].on && !fake.at[c.at[1].fd - FIRST_FD].on);
    sb_pmu_stop(&c);
    sb_pmu_close(&c);
    sb_pmu_free(&pmu);
}

static void a_group_is_counted_whole_or_not(void **state)
{
    struct sb_pmu pmu;
    (void)state;
    fake.refuse_at = EINVAL;
    sb_pmu_prepare(&pmu, "{perf::CYCLES, perf::INSTRUCTIONS}, perf::PAGE-FAULTS", sb_pmu_encode_name, NULL);
    assert_non_null(pmu.at[0].reason);
    assert_non_null(strstr(pmu.at[0].reason, "together with perf::INSTRUCTIONS"));
    assert_non_null(strstr(pmu.at[1].reason, "put fewer between the braces"));
    assert_null(pmu.at[2].reason);
    sb_pmu_free(&pmu);
}

static void braces_that_do_not_fit_are_mistakes(void **state)
{
    static const char *const lists[] = {"{perf::CYCLES, perf::INSTRUCTIONS", "perf::CYCLES}",
                                        "{perf::CYCLES, {perf::INSTRUCTIONS}}"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sb_pmu pmu;
        bool unknown = false;
        sb_pmu_prepare(&pmu, lists[i], sb_pmu_encode_name, NULL);
        for (size_t j = 0; j < pmu.n; j++)
            unknown |= pmu.at[j].unknown;
        if (!unknown)
            fail_msg("'%s' is taken", lists[i]);
        sb_pmu_free(&pmu);
    }
}

/* What the page says: the counter's number plus one, an offset, how wide the counter is. */
static void put_on_hardware(int fd, uint32_t index, int64_t offset)
{
    struct perf_event_mmap_page *page = &fake.at[fd - FIRST_FD].page;
    page->cap_user_rdpmc = 1;
    page->index = index;
    page->offset = offset;
    page->pmc_width = 48;
}

static void counters_are_read_from_user_mode(void **state)
{
    struct sb_pmu pmu;
    struct sb_pmu_counters c;
    struct sb_pmu_reading r;
    (void)state;
    sb_pmu_prepare(&pmu, "perf::CYCLES", sb_pmu_encode_name, NULL);
    sb_pmu_open(&pmu, &c);
    int i = c.at[0].fd - FIRST_FD;
    put_on_hardware(c.at[0].fd, 2, 1000);
    fake.counters[1] = 500;
    sb_pmu_start(&c);
    /* Negative within its 48 bits: the kernel arms counters below zero. */
    fake.counters[1] = (UINT64_C(1) << 48) - 100;
    put_on_hardware(c.at[0].fd, 2, 5000);
    fake.lock_moves = 2;
    sb_pmu_stop(&c);
    fake.at[i].value = 777777;
    fake.at[i].enabled = fake.at[i].running = 10;
    assert_true(sb_pmu_read(&c, 0, &r));
    assert_int_equal(r.value, (5000 - 100) - (1000 + 500));
    assert_int_equal(fake.lock_moves, 0);
    /* Multiplexed meanwhile: the page's value alone can't be scaled, the kernel's can. */
    fake.at[i].running = 5;
    assert_true(sb_pmu_read(&c, 0, &r) && r.value == 777777);
    sb_pmu_close(&c);
    sb_pmu_free(&pmu);
}

static void without_an_index_the_kernel_is_asked(void **state)
{
    struct sb_pmu pmu;
    struct sb_pmu_counters c;
    struct sb_pmu_reading r;
    (void)state;
    sb_pmu_prepare(&pmu, "perf::CYCLES", sb_pmu_encode_name, NULL);
    sb_pmu_open(&pmu, &c);
    int i = c.at[0].fd - FIRST_FD;
    put_on_hardware(c.at[0].fd, 1, 0);
    sb_pmu_start(&c);
    put_on_hardware(c.at[0].fd, 0, 0); /* off the hardware just now */
    sb_pmu_stop(&c);
    fake.at[i].value = 42;
    fake.at[i].enabled = fake.at[i].running = 10;
    assert_true(sb_pmu_read(&c, 0, &r) && r.value == 42);
    sb_pmu_close(&c);
    sb_pmu_free(&pmu);
}

/* Between preparing and a thread's own opening files may run out. */
static void a_thread_that_cannot_open_counts_nothing(void **state)
{
    struct sb_pmu pmu;
    struct sb_pmu_counters c;
    struct sb_pmu_reading r;
    (void)state;
    sb_pmu_prepare(&pmu, "{perf::CYCLES, perf::INSTRUCTIONS}", sb_pmu_encode_name, NULL);
    fake.refuse_all = EMFILE;
    sb_pmu_open(&pmu, &c);
    assert_true(c.at[0].fd < 0 && c.at[1].fd < 0);
    sb_pmu_start(&c);
    sb_pmu_stop(&c);
    assert_false(sb_pmu_read(&c, 0, &r) || sb_pmu_read(&c, 1, &r));
    sb_pmu_close(&c);
    sb_pmu_free(&pmu);
}

#define FAKED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKED(errors_are_explained),
        FAKED(refusals_name_their_cause),
        FAKED(refused_kernel_mode_leaves_user_mode),
        FAKED(roles_are_known),
        FAKED(values_are_scaled_and_never_made_up),
        FAKED(a_group_is_opened_under_its_hardware_event),
        FAKED(a_group_is_counted_whole_or_not),
        FAKED(braces_that_do_not_fit_are_mistakes),
        FAKED(counters_are_read_from_user_mode),
        FAKED(without_an_index_the_kernel_is_asked),
        FAKED(a_thread_that_cannot_open_counts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
