//! The memory functions that compilers call by themselves, in assembly: written in Rust they
//! would be compiled into calls of themselves.
//!
//! Short ranges go by 16 and 8 bytes with an overlapping end, long ones by `rep`, eight bytes a
//! step, which is quick on real CPUs and cheap in an emulator that counts each step.

use core::ffi::{c_char, c_int, c_void};

/// C `memcpy`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void {
    core::arch::naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb 4f",
        "cmp rdx, 128",
        "ja 3f",
        // 16 to 128 bytes: 16 at a time, and the last 16 once more.
        "movdqu xmm1, [rsi + rdx - 16]",
        "lea r8, [rdi + rdx - 16]",
        "2:",
        "movdqu xmm0, [rsi]",
        "movdqu [rdi], xmm0",
        "add rsi, 16",
        "add rdi, 16",
        "cmp rdi, r8",
        "jb 2b",
        "movdqu [r8], xmm1",
        "ret",
        // More: eight at a time, and the last eight once more.
        "3:",
        "mov r8, [rsi + rdx - 8]",
        "lea r9, [rdi + rdx - 8]",
        "mov rcx, rdx",
        "shr rcx, 3",
        "rep movsq",
        "mov [r9], r8",
        "ret",
        // Less than 16.
        "4:",
        "cmp edx, 8",
        "jb 5f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "5:",
        "cmp edx, 4",
        "jb 6f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "6:",
        "test edx, edx",
        "jz 7f",
        "movzx ecx, byte ptr [rsi]",
        "mov [rdi], cl",
        "cmp edx, 2",
        "jb 7f",
        "movzx ecx, word ptr [rsi + rdx - 2]",
        "mov [rdi + rdx - 2], cx",
        "7:",
        "ret",
    )
}

/// C `memmove`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void {
    core::arch::naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jb 4f",
        // The destination does not begin inside the source: forward, byte exact at the end, as
        // `memcpy`'s second look at the end would read what was written already.
        "mov rcx, rdx",
        "shr rcx, 3",
        "rep movsq",
        "and edx, 7",
        "jz 3f",
        "2:",
        "movzx ecx, byte ptr [rsi]",
        "mov [rdi], cl",
        "inc rsi",
        "inc rdi",
        "dec edx",
        "jnz 2b",
        "3:",
        "ret",
        // Backward, eight at a time.
        "4:",
        "cmp rdx, 8",
        "jb 6f",
        "5:",
        "mov rcx, [rsi + rdx - 8]",
        "mov [rdi + rdx - 8], rcx",
        "sub rdx, 8",
        "cmp rdx, 8",
        "jae 5b",
        "6:",
        "test rdx, rdx",
        "jz 8f",
        "7:",
        "movzx ecx, byte ptr [rsi + rdx - 1]",
        "mov [rdi + rdx - 1], cl",
        "dec rdx",
        "jnz 7b",
        "8:",
        "ret",
    )
}

/// C `memset`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memset(to: *mut c_void, byte: c_int, length: usize) -> *mut c_void {
    core::arch::naked_asm!(
        "mov r8, rdi",
        "movzx eax, sil",
        "movabs rcx, 0x0101010101010101",
        "imul rax, rcx",
        "cmp rdx, 8",
        "jb 2f",
        "mov [rdi + rdx - 8], rax",
        "mov rcx, rdx",
        "shr rcx, 3",
        "rep stosq",
        "mov rax, r8",
        "ret",
        "2:",
        "mov rcx, rdx",
        "rep stosb",
        "mov rax, r8",
        "ret",
    )
}

/// C `memcmp`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int {
    core::arch::naked_asm!(
        "cmp rdx, 8",
        "jb 3f",
        "2:",
        "mov rax, [rdi]",
        "mov rcx, [rsi]",
        "cmp rax, rcx",
        "jne 6f",
        "add rdi, 8",
        "add rsi, 8",
        "sub rdx, 8",
        "cmp rdx, 8",
        "jae 2b",
        "3:",
        "test rdx, rdx",
        "jz 5f",
        "4:",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "sub eax, ecx",
        "jne 7f",
        "inc rdi",
        "inc rsi",
        "dec rdx",
        "jnz 4b",
        "5:",
        "xor eax, eax",
        "ret",
        // The first byte that differs is the highest one after the swap.
        "6:",
        "bswap rax",
        "bswap rcx",
        "cmp rax, rcx",
        "sbb eax, eax",
        "or eax, 1",
        "7:",
        "ret",
    )
}

/// BSD `bcmp`: compilers call it where only equality counts.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn bcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int {
    core::arch::naked_asm!("jmp {memcmp}", memcmp = sym memcmp)
}

/// C `strlen`: 16 aligned bytes at a time, which never cross into a page that is not there.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    core::arch::naked_asm!(
        "mov rdx, rdi",
        "mov ecx, edi",
        "and rdx, -16",
        "and ecx, 15",
        "pxor xmm0, xmm0",
        "movdqa xmm1, [rdx]",
        "pcmpeqb xmm1, xmm0",
        "pmovmskb eax, xmm1",
        // What lies before the string does not count.
        "shr eax, cl",
        "test eax, eax",
        "jnz 3f",
        "2:",
        "add rdx, 16",
        "movdqa xmm1, [rdx]",
        "pcmpeqb xmm1, xmm0",
        "pmovmskb eax, xmm1",
        "test eax, eax",
        "jz 2b",
        "bsf eax, eax",
        "sub rdx, rdi",
        "add rax, rdx",
        "ret",
        "3:",
        "bsf eax, eax",
        "ret",
    )
}
