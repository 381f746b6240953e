/* Pages of the index that a long walk has touched stay mapped, and count as memory of this process, until somebody else needs them. This gives them back: they
 * stay in the page cache, and are mapped again when they are touched. LMDB tells nobody where its map lies, so it is looked up. Linux alone; elsewhere nothing
 * happens. Called by txn.c. */
#include "store/store_impl.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAPPED_MAX  (16u << 20) /* bytes */
#define MAPPED_MORE (8u << 20)  /* than after the last time: others may keep more than MAPPED_MAX */

/* Pages of files that this process has mapped and touched. */
static uint64_t mapped_bytes(void)
{
    unsigned long size, resident, shared = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu %lu", &size, &resident, &shared) != 3)
        shared = 0;
    (void)fclose(f); /* read only */
    return (uint64_t)shared * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* start-end perms offset dev inode path */
static void give_back(const char *line, ino_t inode)
{
    uintptr_t start, end;
    unsigned long long number;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*x %*x:%*x %llu", &start, &end, &number) ==
            3 &&
        number == (unsigned long long)inode && strstr(line, ".mdb"))
        (void)madvise((void *)start, end - start,
                      MADV_DONTNEED); /* of a shared map: nothing is lost */
}

void ph_env_trim(ph_env *e)
{
    char line[4352];
    FILE *f;
    uint64_t mapped = mapped_bytes();
    if (mapped <= MAPPED_MAX || mapped <= atomic_load(&e->kept) + MAPPED_MORE ||
        !(f = fopen("/proc/self/maps", "re")))
        return;
    while (fgets(line, sizeof line, f))
        give_back(line, e->inode);
    (void)fclose(f); /* read only */
    atomic_store(&e->kept, mapped_bytes());
}

void ph_store_frugal(ph_store *s, bool yes)
{
    if (atomic_fetch_add(&s->env->frugal, yes ? 1 : -1) == 0)
        atomic_store(&s->env->kept, mapped_bytes());
}
