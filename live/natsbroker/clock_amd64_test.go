//go:build linux

package natsbroker_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// bendClock has this process's clock be wrong by what the returned function is given. Go asks the kernel's own code in the
// process for the time (the vDSO); that code is made to jump to ours, which asks the kernel, and adds.
func bendClock() (set func(d time.Duration) error, err error) {
	base, size, err := vdso()
	if err != nil {
		return nil, err
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	image := make([]byte, size)
	if _, err := mem.ReadAt(image, base); err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("the vDSO: %w", err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("the vDSO: %w", err)
	}
	entry := int64(-1)
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			entry = int64(s.Value)
		}
	}
	code := []byte{
		0xb8, 0xe4, 0, 0, 0, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi
		0x75, 0x0a, // jnz over CLOCK_REALTIME
		0x48, 0x8b, 0x0d, 0x0e, 0, 0, 0, // mov rcx, [the offset in seconds]
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3,                      // ret
		0, 0, 0, 0, 0, 0, 0, 0, 0, // so that the offset, behind it, is aligned
		0, 0, 0, 0, 0, 0, 0, 0, 0,
	}
	at := (size - int64(len(code)) - 8) &^ 7 // where the last page has nothing but zeros
	if entry < 0 || len(bytes.Trim(image[at:], "\x00")) > 0 {
		return nil, errors.New("the vDSO is not as expected")
	}
	offset := base + at + 32
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int32(at-entry-5)))
	for _, w := range []struct {
		p  []byte
		at int64
	}{{code, base + at}, {jump, base + entry}} {
		if _, err := mem.WriteAt(w.p, w.at); err != nil {
			return nil, err
		}
	}
	set = func(d time.Duration) error {
		_, err := mem.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(d/time.Second)), offset)
		return err
	}
	before := time.Now().Round(0)
	if err := set(time.Hour); err != nil {
		return nil, err
	}
	if d := time.Now().Round(0).Sub(before); d < time.Hour || d > time.Hour+time.Minute {
		return nil, fmt.Errorf("the clock goes on by %v", d)
	}
	return set, set(0)
}

// vdso returns where it is.
func vdso() (base, size int64, err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, 0, err
	}
	defer maps.Close()
	all, err := io.ReadAll(maps)
	for line := range strings.Lines(string(all)) {
		if strings.HasSuffix(line, "[vdso]\n") {
			var end int64
			_, err = fmt.Sscanf(line, "%x-%x", &base, &end)
			return base, end - base, err
		}
	}
	return 0, 0, errors.Join(err, errors.New("there is no vDSO"))
}
