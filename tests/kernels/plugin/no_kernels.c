/* A shared library that has nothing to do with HalfScope. */
int answer(void);
int answer(void) { return 42; }
