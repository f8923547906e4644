/* A shared object that is no plugin. */
int just_a_function(void);
int just_a_function(void)
{
    return 42;
}
