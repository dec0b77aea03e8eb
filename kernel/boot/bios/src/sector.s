# The boot sector: reads stage 2 to 0x8000 and jumps there. 440 bytes; the partition table follows.
#
# in:  dl = drive, cs:ip = 0x7c00 in some form
# out: dl = drive, cs = ds = es = ss = 0, sp below this sector

.section .mbr, "awx"
.code16
.globl boot_sector
boot_sector:
    jmp 1f
    # Some firmware takes a stick for a floppy and writes parameters here.
    .org boot_sector + 0x5a
1:  cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7bf0
    sti
    cld
.att_syntax prefix
    ljmp $0, $sector_start
.intel_syntax noprefix

sector_start:
    mov [drive], dl
    mov ah, 0x41
    mov bx, 0x55aa
    int 0x13
    mov si, offset no_lba
    jc sector_fail
    cmp bx, 0xaa55
    jne sector_fail

    # The packet's block number is the patched one; it grows by what has been read.
    mov eax, [patch_lba]
    mov [packet_lba], eax
    mov eax, [patch_lba + 4]
    mov [packet_lba + 4], eax
    mov bp, [patch_sectors]
read_more:
    mov ax, 64
    cmp ax, bp
    jbe 2f
    mov ax, bp
2:  mov [packet_count], ax
    mov ah, 0x42
    mov dl, [drive]
    mov si, offset packet
    int 0x13
    mov si, offset no_read
    jc sector_fail
    # 64 sectors are 32 KiB: no buffer crosses a boundary of 64 KiB.
    add word ptr [packet_segment], 0x800
    add dword ptr [packet_lba], 64
    adc dword ptr [packet_lba + 4], 0
    sub bp, 64
    ja read_more

    mov si, offset no_stage2
    cmp dword ptr [0x8008], 0x444f4e41
    jne sector_fail
    mov dl, [drive]
.att_syntax prefix
    ljmp $0, $stage2
.intel_syntax noprefix

sector_fail:
    call sector_print
    mov si, offset no_boot
    call sector_print
3:  cli
    hlt
    jmp 3b

# Prints the text at si on the screen and the serial port.
sector_print:
    lodsb
    test al, al
    jz 6f
    mov ah, 0x0e
    mov bx, 7
    push ax
    int 0x10
    mov dx, 0x3fd
    mov cx, 0xffff
4:  in al, dx
    test al, 0x20
    loopz 4b
    pop ax
    mov dx, 0x3f8
    out dx, al
    jmp sector_print
6:  ret

no_lba:     .asciz "anode: the BIOS is too old"
no_read:    .asciz "anode: the disk cannot be read"
no_stage2:  .asciz "anode: the loader is missing"
no_boot:    .asciz "; the machine cannot be started.\r\n"
drive:      .byte 0

    .balign 4
packet:
    .byte 16, 0
packet_count:   .word 0
    .word 0
packet_segment: .word 0x800
packet_lba:     .quad 0

    # Written by the installer: the first sector of stage 2, and how many there are.
    .org boot_sector + 0x1a0
.globl patch_lba
patch_lba:      .quad 0
patch_sectors:  .word 0
    .org boot_sector + 440
.code64
.text
