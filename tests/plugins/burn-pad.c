/* Linked before burn.c its code lies elsewhere in its page, which is all that sets the second burn apart. */
#define SB_EXPORT_PAD __attribute__((visibility("default"), used, noinline, aligned(1)))
SB_EXPORT_PAD void burn_pad(void);
void burn_pad(void)
{
    __asm__ volatile(".skip 1352, 0x90");
}
