/* Linked before burn.c its code lies elsewhere in its page, which is all that sets the second burn apart. */
__attribute__((visibility("default"), used, noinline)) void burn_pad(void);
void burn_pad(void)
{
    __asm__ volatile(".skip 1352");
}
