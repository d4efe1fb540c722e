#!/bin/bash
# Runs an x86-64 Linux program on an emulated Sapphire Rapids (AVX-512 with VNNI and BF16; AVX-VNNI), for CPUs without:
#
#   tools/emulate_avx512.sh [NAME=VALUE...] PROGRAM [ARGS...]
#
# prints what the program prints (standard output and error together) and exits with its status. The program sees, at
# their own paths, itself, its shared libraries and what EMULATOR_FILES lists, nothing else. EMULATOR_CPU names another
# of Bochs's CPU models. A program takes 70 to 100 times as long as on a real CPU.
#
# The machine is Debian 13's Bochs 3.0, built here from its source package (Debian 12's 2.7 has no BF16), with a Debian
# kernel and busybox as the first process. There is no BIOS and no boot loader: Bochs reads kernel and initramfs
# straight into the memory, and the ROM below jumps to the kernel. The first run fetches and builds: some minutes.
# Needs apt, a C++ compiler, make, cpio. Its files are in EMULATOR_DIR, or build/emulator.
set -euo pipefail
dir=$(realpath -m "${EMULATOR_DIR:-$(dirname "$0")/../build/emulator}")
memory=1024  # MiB
initrd_at=0x8000000

fetch() {  # kernel, busybox and the source of Bochs, checked by apt against Debian's signatures
  local debian="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"
  mkdir -p "$dir"/apt/{lists,archives}/partial "$dir"/packages
  printf '%s\n' "deb $debian bookworm main" "deb-src $debian trixie main" >"$dir"/apt/sources.list
  cat >"$dir"/apt/conf <<EOF
Dir::Etc::SourceList "$dir/apt/sources.list"; Dir::Etc::SourceParts "-"; Dir::State "$dir/apt";
Dir::State::status "/dev/null"; Dir::Cache "$dir/apt"; APT::Sandbox::User ""; Acquire::Languages "none";
EOF
  cd "$dir"/packages
  export APT_CONFIG=$dir/apt/conf
  apt-get -qq update
  apt-get -qq download "$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2}')" busybox-static
  apt-get -qq source --tar-only bochs
  for package in *.deb; do dpkg-deb -x "$package" "$dir"/root; done
  tar -xf bochs_*.orig.tar.xz -C "$dir"
  cp "$dir"/root/boot/vmlinuz-* "$dir"/vmlinuz
}

build() {  # Bochs without a screen, with two corrections
  cd "$dir"/bochs-*/
  # memory images larger than a block of memory need blocks that follow one another
  sed -i 's/^  if (0) {/  if (guest == host) {/' memory/memory_stub.cc
  # vcvtne2ps2bf16 reads past the end of its first operand
  sed -i '/other half of the elements/,+2 s/op1.vmm32u(n)/op1.vmm32u(n - DWORD_ELEMENTS(len))/' cpu/avx/avx512_bf16.cc
  ./configure --enable-x86-64 --enable-cpu-level=6 --enable-avx --enable-evex --enable-amx --enable-protection-keys \
    --enable-cet --enable-all-optimizations --disable-plugins --disable-docbook --with-nogui CXXFLAGS=-O2 CFLAGS=-O2 \
    >configure.log
  make -j"$(nproc)" bochs >make.log 2>&1
  cp bochs "$dir"/bochs
}

pack() {  # the initramfs: busybox, /init, the program and its libraries
  local program=$1 file; shift
  mkdir -p files/{bin,dev,proc,sys,tmp}
  cp "$dir"/root/bin/busybox files/bin
  for file in "$program" $(ldd "$program" 2>/dev/null | grep -o '/[^ )]*') ${EMULATOR_FILES-}; do
    mkdir -p "files$(dirname "$file")"
    cp -rL "$file" "files$file"
  done
  printf '%s\n' '#!/bin/busybox sh' "b=/bin/busybox" '$b mount -t devtmpfs none /dev; $b mount -t proc none /proc' \
    '$b stty -F /dev/ttyS0 -onlcr; cd /tmp' "\$b env HOME=/tmp ${variables[*]@Q} ${program@Q} ${*@Q} 2>&1" \
    'echo "EMULATED: status $?"; $b sleep 1; exec $b reboot -f' >files/init  # sleeps until the serial line is empty
  chmod +x files/init
  (cd files && find . | cpio --quiet -o -H newc) >initrd
}

firmware() {  # ROM: reset vector, then Linux's 32-bit boot protocol; at the second start, a reboot, Bochs's shutdown port
  cat >rom.S <<'EOF'
.code16
start:  lgdtl %cs:(gdtr - start); mov $1, %eax; mov %eax, %cr0; ljmpl $0x10, $(0xf0000 + flat - start)
.code32
flat:   mov $0x18, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss
        mov $0x10000, %ebx; btrl $0, 0xffc(%ebx); jnc again     # params: the mark of the first start
        mov %ebx, %esi; xor %ebx, %ebx; mov $0x100000, %eax; jmp *%eax
again:  mov $(0xf0000 + word - start), %esi; mov $0x8900, %edx; mov $8, %ecx; rep outsb; hlt
word:   .ascii "Shutdown"
gdt:    .quad 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   .word gdtr - gdt - 1; .long 0xf0000 + gdt - start
.code16
.org 0xfff0, 0xff; jmp start; .org 0x10000, 0xff
EOF
  cat >params.S <<EOF
.org 0x1e8; .byte 2                                   # boot_params: two entries of the memory map
.org 0x1f1; .incbin "$dir/vmlinuz", 0x1f1, 0x1f       # the kernel's setup header, but for these:
.byte 0xff, 1; .incbin "$dir/vmlinuz", 0x212, 2       # a loader without a number, loaded high
.long 0x100000, $initrd_at, $(stat -c %s initrd); .incbin "$dir/vmlinuz", 0x220, 8
.long 0x11000; .incbin "$dir/vmlinuz", 0x22c, 0x3c    # the command line
.org 0x2d0; .quad 0, 0x9f000; .long 1; .quad 0x100000, ($memory - 1) << 20; .long 1
.org 0xffc; .long 1                                   # without fsrm: Bochs sets it but not erms, which Linux 6.1 cannot
.asciz "console=ttyS0,115200 quiet loglevel=1 panic=-1 reboot=k acpi=off mitigations=off tsc=reliable random.trust_cpu=on lsm= clearcpuid=fsrm"
EOF
  for part in rom params; do as $part.S -o $part.o; ld -Ttext 0 -e 0 --oformat binary $part.o -o $part; done
  tail -c +$((($(od -An -tu1 -j 0x1f1 -N1 "$dir"/vmlinuz) + 1) * 512 + 1)) "$dir"/vmlinuz >kernel
}

emulate() {  # AMX is left out: Linux refuses what the model says of its tile data
  printf '%s\n' "display_library: nogui" "memory: guest=$memory, host=$memory" "romimage: file=rom" \
    "vgaromimage: file=/dev/null" "optramimage1: file=params, address=0x10000" \
    "optramimage2: file=kernel, address=0x100000" "optramimage3: file=initrd, address=$initrd_at" \
    "cpu: model=${EMULATOR_CPU:-sapphire_rapids}, ips=50000000, exclude_features=\"amx,amx_int8,amx_bf16\"" \
    "clock: sync=none" "pci: enabled=0" "com1: enabled=1, mode=file, dev=serial" "log: log" "panic: action=fatal" \
    "error: action=ignore" "info: action=ignore" >bochsrc
  touch serial
  nice -n $(($(nice) < 10 ? 10 - $(nice) : 0)) "$dir"/bochs -q -f bochsrc >screen 2>&1 </dev/null &
  trap "kill -9 $! 2>/dev/null || true" EXIT
  tail -n +1 -f --pid=$! serial | sed -u '/^EMULATED: status/,$d; s/EMULATED: status.*//; /^\[.*reboot: /d'
}

[[ -e $dir/vmlinuz ]] || (fetch)
[[ -x $dir/bochs ]] || (build)
variables=()
while [[ ${1-} == *=* ]]; do variables+=("$1"); shift; done
[[ $# -gt 0 ]] || { echo "usage: $0 [NAME=VALUE...] PROGRAM [ARGS...]" >&2; exit 2; }
program=$(realpath "$1")
work=$(mktemp -d "$dir"/run.XXXXXX)
cd "$work"
pack "$program" "${@:2}"
firmware
emulate
status=$(sed -n 's/.*EMULATED: status \([0-9]*\).*/\1/p' serial)
[[ $status ]] || { echo "$0: the machine stopped early; see log and serial in $work" >&2; exit 125; }
rm -r "$work"
exit "$status"
