/* fiber_switch.c -- see fiber_switch.h. A port to another processor adds one block of assembler and one of initial words; until
 * then it has ucontext (-DSK_FIBER_UCONTEXT tries that here). */
#include "fiber_switch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef SK_FIBER_UCONTEXT

void sk_context_make(sk_context *context, void *low, size_t size, void (*entry)(void))
{
    if (getcontext(&context->saved) != 0)
        abort();
    context->saved.uc_stack = (stack_t){ .ss_sp = low, .ss_size = size };
    context->saved.uc_link = NULL;
    makecontext(&context->saved, entry, 0);
}

SK_UNSEEN void sk_context_switch(sk_context *from, const sk_context *to)
{
    if (swapcontext(&from->saved, &to->saved) != 0)
        abort();
}

#else

/* Pushes the preserved registers, stores the stack pointer at *first argument, takes the second argument for the new one, pops. */
void sk_context_jump(void **save, void *sp) __attribute__((visibility("hidden")));
/* Where a new context begins: calls what sk_context_make left in a preserved register. Unwinders end here. */
void sk_context_start(void) __attribute__((visibility("hidden")));

#if defined(__x86_64__)

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden sk_context_jump\n.globl sk_context_jump\n.type sk_context_jump, @function\n"
        "sk_context_jump:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movl (%rsp), %eax\n    movzwl 4(%rsp), %ecx\n"
        "    movq %rsi, %rsp\n"
        "    cmpl (%rsp), %eax\n    je 1f\n    ldmxcsr (%rsp)\n"       /* slow, and hardly ever needed */
        "1:  cmpw 4(%rsp), %cx\n    je 2f\n    fldcw 4(%rsp)\n"
        "2:  addq $8, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size sk_context_jump, .-sk_context_jump\n"
        ".p2align 4\n"
        ".hidden sk_context_start\n.globl sk_context_start\n.type sk_context_start, @function\n"
        "sk_context_start:\n"
        "    .cfi_startproc\n    .cfi_undefined rip\n"
        "    callq *%rbx\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size sk_context_start, .-sk_context_start\n");

enum { WORDS = 8, ENTRY = 5, START = 7 };            /* modes r15 r14 r13 r12 rbx rbp, return address */

/* A new context has the modes that its maker has now. */
static uint64_t modes(void)
{
    uint32_t sse;
    uint16_t x87;
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(sse), "=m"(x87));
    return (uint64_t)x87 << 32 | sse;
}

#elif defined(__aarch64__)

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden sk_context_jump\n.globl sk_context_jump\n.type sk_context_jump, %function\n"
        "sk_context_jump:\n"
        "    sub sp, sp, #176\n"
        "    mrs x9, fpcr\n"
        "    stp x9, x30, [sp]\n"
        "    stp x19, x20, [sp, #16]\n    stp x21, x22, [sp, #32]\n    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n    stp x27, x28, [sp, #80]\n    str x29, [sp, #96]\n"
        "    stp d8, d9, [sp, #112]\n    stp d10, d11, [sp, #128]\n"
        "    stp d12, d13, [sp, #144]\n    stp d14, d15, [sp, #160]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x9, x30, [sp]\n"
        "    msr fpcr, x9\n"
        "    ldp x19, x20, [sp, #16]\n    ldp x21, x22, [sp, #32]\n    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n    ldp x27, x28, [sp, #80]\n    ldr x29, [sp, #96]\n"
        "    ldp d8, d9, [sp, #112]\n    ldp d10, d11, [sp, #128]\n"
        "    ldp d12, d13, [sp, #144]\n    ldp d14, d15, [sp, #160]\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size sk_context_jump, .-sk_context_jump\n"
        ".p2align 4\n"
        ".hidden sk_context_start\n.globl sk_context_start\n.type sk_context_start, %function\n"
        "sk_context_start:\n"
        "    .cfi_startproc\n    .cfi_undefined x30\n"
        "    blr x19\n"
        "    brk #0\n"
        "    .cfi_endproc\n"
        ".size sk_context_start, .-sk_context_start\n");

enum { WORDS = 22, ENTRY = 2, START = 1 };           /* fpcr x30 x19 ... x29, a gap, d8 ... d15 */

static uint64_t modes(void)
{
    uint64_t fpcr;
    __asm__("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

#endif

/* Builds what sk_context_jump pops. At sk_context_start the stack pointer is a multiple of 16, as before any call. */
void sk_context_make(sk_context *context, void *low, size_t size, void (*entry)(void))
{
    uint64_t *sp = (uint64_t *)((char *)low + size) - 2 - WORDS;
    memset(sp, 0, (WORDS + 2) * sizeof *sp);
    sp[0] = modes();
    sp[ENTRY] = (uint64_t)(uintptr_t)entry;
    sp[START] = (uint64_t)(uintptr_t)sk_context_start;
    context->sp = sp;
}

SK_UNSEEN void sk_context_switch(sk_context *from, const sk_context *to) { sk_context_jump(&from->sp, to->sp); }

#endif
