# Stage 2's way up from 16-bit mode, and the way down and up again for calls to the BIOS.
#
# Memory below 1 MiB: 0x6000 the registers of a call, 0x6100 a small buffer, up to 0x7bf0 the stack
# of 16-bit mode, 0x8000 stage 2 and its .bss, 0x60000 a buffer of 64 KiB for the disk, 0x70000 the
# page tables.

.equ REGISTERS, 0x6000
.equ TABLES, 0x70000
.equ CODE64, 0x08
.equ DATA32, 0x10
.equ CODE16, 0x18
.equ DATA16, 0x20
.equ EFER, 0xc0000080

.section .start, "awx"
.code16
.globl stage2
stage2:
    jmp stage2_start
    .balign 8
.globl stage2_magic
stage2_magic:
    .ascii "ANODEST2"

stage2_start:
    mov [boot_drive], dl

    # A CPU that cannot change the ID flag has no cpuid.
    pushfd
    pop eax
    mov ebx, eax
    xor eax, 0x200000
    push eax
    popfd
    pushfd
    pop eax
    push ebx
    popfd
    xor eax, ebx
    mov si, offset no_long_mode
    test eax, 0x200000
    jz start_fail
    mov eax, 0x80000000
    cpuid
    mov si, offset no_long_mode
    cmp eax, 0x80000001
    jb start_fail
    mov eax, 0x80000001
    cpuid
    test edx, 0x20000000
    jz start_fail

    call a20_works
    jnz a20_on
    mov ax, 0x2401
    int 0x15
    call a20_works
    jnz a20_on
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    mov cx, 0xffff
1:  call a20_works
    loopz 1b
    mov si, offset no_a20
    jz start_fail
a20_on:

    # One root, one table of gigabytes, four tables of 2 MiB pages: 4 GiB, one to one.
    mov ax, TABLES >> 4
    mov es, ax
    xor di, di
    xor eax, eax
    mov cx, 0x1800
    rep stosd
    mov dword ptr es:[0], TABLES + 0x1003
    xor di, di
    mov eax, TABLES + 0x2003
2:  mov es:[di + 0x1000], eax
    add eax, 0x1000
    add di, 8
    cmp di, 32
    jb 2b
    xor di, di
    mov eax, 0x83
3:  mov es:[di + 0x2000], eax
    add eax, 0x200000
    add di, 8
    cmp di, 0x4000
    jb 3b

    cli
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    mov eax, TABLES
    mov cr3, eax
    mov dword ptr [long_target], offset first_long
    jmp go_long

# zf = 0 if address line 20 is on: changing a word at 1 MiB leaves the word at 0 alone.
a20_works:
    push es
    mov ax, 0xffff
    mov es, ax
    mov ax, [0x600]
    mov bx, es:[0x610]
    not word ptr es:[0x610]
    mov dx, [0x600]
    mov es:[0x610], bx
    pop es
    cmp ax, dx
    sete al
    test al, al
    ret

start_fail:
    lodsb
    test al, al
    jz 6f
    mov ah, 0x0e
    mov bx, 7
    push ax
    int 0x10
    mov dx, 0x3fd
    mov cx, 0xffff
5:  in al, dx
    test al, 0x20
    loopz 5b
    pop ax
    mov dx, 0x3f8
    out dx, al
    jmp start_fail
6:  cli
    hlt
    jmp 6b

no_long_mode: .asciz "anode: this CPU has no 64-bit mode; the machine cannot be started.\r\n"
no_a20:       .asciz "anode: address line 20 stays off; the machine cannot be started.\r\n"

# Into 64-bit mode from 16-bit mode, interrupts off, tables set; goes on at [long_target].
go_long:
    mov ecx, EFER
    rdmsr
    or eax, 0x100
    wrmsr
    lgdt [gdt_pointer]
    mov eax, cr0
    or eax, 0x80000001
    mov cr0, eax
.att_syntax prefix
    ljmp $CODE64, $in_long
.intel_syntax noprefix

.code64
in_long:
    mov ax, DATA32
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov eax, [long_target]
    jmp rax

first_long:
    mov edi, offset __bss
    mov ecx, offset __bss_end
    sub ecx, edi
    xor eax, eax
    rep stosb
    mov esp, offset stage2_stack_end
    xor ebp, ebp
    movzx edi, byte ptr [boot_drive]
    call bios_main
7:  cli
    hlt
    jmp 7b

# fn call_bios(interrupt: u32): loads the registers at REGISTERS, calls, stores them again.
.globl call_bios
call_bios:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [saved_stack], rsp
    mov [interrupt_number], dil
    cli
    push CODE16
    push offset down
    retfq

.code16
down:
    mov ax, DATA16
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, EFER
    rdmsr
    and eax, 0xfffffeff
    wrmsr
    mov eax, cr0
    and eax, 0xfffffffe
    mov cr0, eax
.att_syntax prefix
    ljmp $0, $in_real
.intel_syntax noprefix

in_real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov sp, 0x7bf0
    lidt [real_idt]
    mov ebx, [REGISTERS + 4]
    mov ecx, [REGISTERS + 8]
    mov edx, [REGISTERS + 12]
    mov esi, [REGISTERS + 16]
    mov edi, [REGISTERS + 20]
    mov eax, [REGISTERS]
    push word ptr [REGISTERS + 24]
    pop ds
    push word ptr cs:[REGISTERS + 26]
    pop es
    sti
    .byte 0xcd
interrupt_number:
    .byte 0
    cli
    cld
    push ds
    push 0
    pop ds
    mov [REGISTERS], eax
    mov [REGISTERS + 4], ebx
    mov [REGISTERS + 8], ecx
    mov [REGISTERS + 12], edx
    mov [REGISTERS + 16], esi
    mov [REGISTERS + 20], edi
    pop word ptr [REGISTERS + 24]
    mov [REGISTERS + 26], es
    pushf
    pop word ptr [REGISTERS + 28]
    mov dword ptr [long_target], offset up
    jmp go_long

.code64
up:
    mov rsp, [saved_stack]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9a000000ffff
    .quad 0x00cf92000000ffff
    .quad 0x00009a000000ffff
    .quad 0x000092000000ffff
gdt_pointer:
    .word 39
    .long gdt
real_idt:
    .word 0x3ff
    .long 0
    .balign 8
saved_stack: .quad 0
long_target: .long 0
boot_drive:  .byte 0

.section .bss, "aw", @nobits
    .balign 16
    .skip 65536
stage2_stack_end:
.text
