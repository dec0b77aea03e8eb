# Every way into the kernel, and the one way out.
#
# A context is `Context` of arch/percpu.rs: registers at fixed offsets. GS is the CPU's block
# (`PerCpu`) in the kernel and the user's in userspace; it is swapped exactly when the privilege
# changes. Interrupts are off in the kernel but for the two places in trap.rs that let them in.

# All registers of a context but rax and rsp, at the places that `Regs` gives them.
.macro each action, context
    .set at, 8
    .irp register, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    \action \context, \register
    .set at, at + 8
    .endr
.endm
.macro save context, register
    mov [\context + at], \register
.endm
.macro load context, register
    mov \register, [\context + at]
.endm

    .section .text.entry, "ax", @progbits

# One stub of 16 bytes for each vector: the error code, real or 0, then the vector. The loader's
# gates lead here; the stubs end at the entry.
    .balign 64
    .set vector, 0
    .rept 256
    .balign 16
    .if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
    .byte 0x6a, 0
    .endif
    .byte 0x68
    .long vector
    jmp interrupt
    .set vector, vector + 1
    .endr
    .balign 16

# The loader enters here, and has SYSCALL enter 64 bytes behind it.
    .global _start
_start:
    jmp {start}
    .balign 64

# SYSCALL: rcx = rip, r11 = rflags, rax = number; the arguments are where the ABI of C has them,
# but for the fourth. Only NMI and machine check can come in before rsp is ours, and they have
# stacks of their own.
syscall_entry:
    swapgs
    mov gs:[{scratch}], rsp
    mov rsp, gs:[{current}]
    each save, rsp
    mov [rsp], rax
    mov [rsp + {rip}], rcx
    mov [rsp + {rflags}], r11
    mov qword ptr [rsp + {by_iret}], 0
    mov rcx, gs:[{scratch}]
    mov [rsp + {rsp}], rcx
    mov rcx, r10
    mov r9, rax
    mov rsp, gs:[{stack_top}]
    xor ebp, ebp
    call {syscall}

# Runs the context in rax.
    .global resume
resume:
    cmp qword ptr [rax + {by_iret}], 0
    jne 1f
    each load, rax
# It came by SYSCALL and nobody has changed it since, so rip is the user's and canonical.
    mov rcx, [rax + {rip}]
    mov r11, [rax + {rflags}]
    mov rsp, [rax + {rsp}]
    mov rax, [rax]
    swapgs
    sysretq
# The rest may be anything: rip beyond userspace becomes a page that is never mapped, so that the
# user faults and not IRETQ; of the flags only those that are the user's stay, with interrupts on.
1:
    mov rsp, gs:[{stack_top}]
    push {user_data}
    push [rax + {rsp}]
    mov rcx, [rax + {rflags}]
    and ecx, {user_flags}
    or ecx, 0x202
    push rcx
    push {user_code}
    mov rcx, [rax + {rip}]
    mov r11, {user_end}
    cmp rcx, r11
    cmova rcx, r11
    push rcx
    each load, rax
    mov rax, [rax]
    swapgs
    iretq

# Stack: vector, error, rip, cs, rflags, rsp, ss.
    .balign 16
interrupt:
# Flags as after SYSCALL: a gate leaves the user's DF, and AC, which lifts SMAP.
    push 2
    popfq
    test byte ptr [rsp + 24], 3
    jz 2f
    swapgs
    mov gs:[{scratch}], rax
    mov rax, gs:[{current}]
    each save, rax
    mov rcx, gs:[{scratch}]
    mov [rax], rcx
    pop rdi
    pop rsi
    pop [rax + {rip}]
    pop rcx
    pop [rax + {rflags}]
    pop [rax + {rsp}]
    mov qword ptr [rax + {by_iret}], 1
    mov rsp, gs:[{stack_top}]
    xor ebp, ebp
    call {interrupt}
    jmp resume
# From the kernel itself: a window of trap.rs, NMI, or a bug. The frame becomes a `Frame`.
2:
    .irp register, rbp, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    push \register
    .endr
    mov rdi, rsp
    mov rbp, rsp
    and rsp, -16
    call {kernel_interrupt}
    mov rsp, rbp
    .irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11, rbp
    pop \register
    .endr
    add rsp, 16
    iretq
