#!/bin/busybox sh
# The only program of the booted kernel: runs the agent on it, and writes what came of it to the disk as a tar.
# Each case leaves a folder: archive.tar.xz, output, errors, status, modules (those loaded afterwards).
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /tmp /results
mount -t tmpfs tmpfs /tmp
cd /

modules=/lib/modules/$(uname -r)
for name in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
    file=$(find "$modules/kernel/drivers" -name "$name.ko")
    [ -z "$file" ] || insmod "$file"
done

collect() {
    mkdir "/results/$1"
    # Beside the archive's place, so that a disk with no room is a failure here and not a short file.
    kheader-agent collect --output "/results/$1/archive.tar.xz" >"/results/$1/output" 2>"/results/$1/errors"
    echo $? >"/results/$1/status"
    cat /proc/modules >"/results/$1/modules"
}

place=$modules/kernel/kernel
collect plain
mv "$place/kheaders.ko" /tmp/
mv "$modules/kheaders.ko.xz" "$place/"
collect compressed
# Somebody else's: it must be there afterwards.
insmod /tmp/kheaders.ko
collect loaded-before
rmmod kheaders
# The agent is ended while its module is loaded, so that something of it is left to be done.
for signal in KILL TERM; do
    mkdir "/results/ended-by-$signal"
    tries=0 status=0
    while [ "$status" -lt 128 ] && [ $tries -lt 50 ]; do
        kheader-agent collect --output /tmp/ended >/dev/null 2>&1 &
        agent=$!
        # Without a program in between: the module is there for some 50 milliseconds.
        until [ -e /sys/kernel/kheaders.tar.xz ] || [ ! -e /proc/$agent/exe ]; do :; done
        kill -$signal $agent
        wait $agent
        status=$?
        tries=$((tries + 1))
    done
    # The process that has the right to unload it ends by itself.
    while pidof kheader-agent >/dev/null; do usleep 10000; done
    echo $status >"/results/ended-by-$signal/status"
    cat /proc/modules >"/results/ended-by-$signal/modules"
done
# Rebuilt under the same name: a module that is loaded has another build ID than its file.
file=$(find "$modules/kernel/drivers" -name virtio_blk.ko)
mv "$file" /tmp/virtio_blk.ko
mv "$modules/virtio_blk-rebuilt.ko" "$file"
collect another-build
mv /tmp/virtio_blk.ko "$file"
# For good, until the next boot.
echo 1 >/proc/sys/kernel/modules_disabled
collect not-loaded

cat /sys/kernel/notes >/results/notes
cat /proc/version >/results/version
tar -C /results -cf /dev/vda . && sync && echo BOOT-DONE
poweroff -f
