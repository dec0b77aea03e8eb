# Every way into the kernel, and the one way out.
#
# A context is `Context` of arch/percpu.rs: registers at fixed offsets. GS is the CPU's block
# (`PerCpu`) in the kernel and the user's in userspace; it is swapped exactly when the privilege
# changes. Interrupts are off in the kernel but for the two places in trap.rs that let them in.

# Saves what rax does not name; rax = the context. rbx, rcx, r11 are saved by the user of it.
.macro save_most context
    mov [\context + 24], rdx
    mov [\context + 32], rsi
    mov [\context + 40], rdi
    mov [\context + 48], rbp
    mov [\context + 56], r8
    mov [\context + 64], r9
    mov [\context + 72], r10
    mov [\context + 88], r12
    mov [\context + 96], r13
    mov [\context + 104], r14
    mov [\context + 112], r15
.endm

    .section .text.entry, "ax", @progbits

# The loader enters here with rdi = BootInfo, interrupts off, on a stack that we leave at once.
    .global _start
_start:
    lea rsp, [rip + boot_stacks + {stack}]
    xor ebp, ebp
    call {start}
    ud2

# SYSCALL: rcx = rip, r11 = rflags, rax = number; the arguments are where the ABI of C has them,
# but for the fourth. Only NMI and machine check can come in before rsp is ours, and they have
# stacks of their own.
    .global syscall_entry
    .balign 16
syscall_entry:
    swapgs
    mov gs:[{scratch}], rsp
    mov rsp, gs:[{current}]
    save_most rsp
    mov [rsp], rax
    mov [rsp + 8], rbx
    mov [rsp + 16], rcx
    mov [rsp + 80], r11
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
    mov rbx, [rax + 8]
    mov rdx, [rax + 24]
    mov rsi, [rax + 32]
    mov rdi, [rax + 40]
    mov rbp, [rax + 48]
    mov r8, [rax + 56]
    mov r9, [rax + 64]
    mov r10, [rax + 72]
    mov r12, [rax + 88]
    mov r13, [rax + 96]
    mov r14, [rax + 104]
    mov r15, [rax + 112]
    cmp qword ptr [rax + {by_iret}], 0
    jne 1f
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
    mov rcx, [rax + 16]
    mov r11, [rax + 80]
    mov rax, [rax]
    swapgs
    iretq

# One stub of 16 bytes for each vector: the error code, real or 0, then the vector.
    .global interrupt_stubs
    .balign 16
interrupt_stubs:
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

# Stack: vector, error, rip, cs, rflags, rsp, ss.
    .balign 16
interrupt:
    cld
    test byte ptr [rsp + 24], 3
    jz 2f
    swapgs
    mov gs:[{scratch}], rax
    mov rax, gs:[{current}]
    save_most rax
    mov [rax + 8], rbx
    mov [rax + 16], rcx
    mov [rax + 80], r11
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
    push rbp
    push r11
    push r10
    push r9
    push r8
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    mov rdi, rsp
    mov rbp, rsp
    and rsp, -16
    call {kernel_interrupt}
    mov rsp, rbp
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    pop r8
    pop r9
    pop r10
    pop r11
    pop rbp
    add rsp, 16
    iretq

# The first CPU's stacks: for traps, then one for each entry of `Ist`. Each begins with a page
# that paging.rs leaves unmapped.
    .section .bss.stacks, "aw", @nobits
    .balign 4096
    .global boot_stacks
boot_stacks:
    .skip {stack} * 4
