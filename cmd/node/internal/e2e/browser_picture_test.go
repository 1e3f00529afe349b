package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// pictureFile is where a picture goes: to the folder that the environment
// variable PARLOR_SCREENSHOTS names, or away with the test.
func pictureFile(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("PARLOR_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Error(err)
	}
	return filepath.Join(folder, name+".png")
}

// screenshot takes a picture of the tab. It never ends the test, so that it
// can be used after a failure.
func (p *tab) screenshot(name string) image.Image {
	p.t.Helper()
	shot, err := p.Screenshot()
	if err != nil {
		p.t.Errorf("%s: screenshot: %v", p.name, err)
		return nil
	}
	if err := os.WriteFile(pictureFile(p.t, name), shot, 0o644); err != nil {
		p.t.Error(err)
	}
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Errorf("%s: screenshot: %v", p.name, err)
	}
	return picture
}

// expectDrawn fails the test if a picture shows next to nothing: a page
// without its style or its canvas has few colours.
func expectDrawn(t *testing.T, picture image.Image, width, height int) {
	t.Helper()
	if picture == nil {
		return
	}
	if size := picture.Bounds().Size(); size != image.Pt(width, height) {
		t.Errorf("the picture is %v, want %d by %d", size, width, height)
	}
	colours := make(map[color.Color]bool)
	for y := range height {
		for x := range width {
			colours[picture.At(x, y)] = true
		}
	}
	if len(colours) < 64 {
		t.Errorf("the picture has %d colours only", len(colours))
	}
}

// sideBySide saves pictures of the same height in one, with a gap.
func sideBySide(t *testing.T, name string, pictures ...image.Image) {
	t.Helper()
	const gap = 16
	width, height := -gap, 0
	for _, p := range pictures {
		if p == nil {
			return
		}
		width += gap + p.Bounds().Dx()
		height = max(height, p.Bounds().Dy())
	}
	all := image.NewRGBA(image.Rect(0, 0, width, height))
	x := 0
	for _, p := range pictures {
		draw.Draw(all, p.Bounds().Add(image.Pt(x, 0)), p, p.Bounds().Min, draw.Src)
		x += p.Bounds().Dx() + gap
	}
	var out bytes.Buffer
	if err := png.Encode(&out, all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pictureFile(t, name), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
