"""Let plots show Chinese, Japanese, Korean and emoji, whatever font a program or a style asks for.

    .sandbox/bin/python sandbox/fonts.py .sandbox/share/fonts

Run by the sandbox runtime's own Python. Puts the fonts into the given directory, for fontconfig, and into matplotlib's
own, and makes matplotlib fall back to them, glyph by glyph. Setting ``font.family`` would not do: seaborn's themes and
matplotlib's own styles set it, too.
"""

import os
import shutil
import sys
from pathlib import Path

import matplotlib.font_manager
import noto_cjk_sans_otc

HERE = Path(__file__).resolve().parent
EMOJI = HERE / "fonts" / "NotoEmoji-Regular.ttf"
CJK = Path(str(noto_cjk_sans_otc.FONT_PATH))
BESIDE = ("fonts.conf", "NotoEmoji-LICENSE.txt")

_MARK = "\n\n# What follows was added by the sandbox runtime, see its fonts.py.\n"
FALLBACK = (
    _MARK
    + """_sandbox_find = FontManager._find_fonts_by_props
_sandbox_paths = {}


def _sandbox_fallbacks(self):
    known = (id(self), len(self.ttflist))  # a program may add fonts
    if known not in _sandbox_paths:
        paths = []
        for family in ("DejaVu Sans", "Noto Sans CJK JP", "Noto Emoji", "Symbola"):
            try:
                paths.append(self.findfont(FontProperties(family=family), fallback_to_default=False))
            except ValueError:  # not on this machine
                continue
        _sandbox_paths[known] = paths
    return _sandbox_paths[known]


def _sandbox_find_with_fallback(self, prop, fontext="ttf", *args, **kwargs):
    found = list(_sandbox_find(self, prop, fontext, *args, **kwargs))
    if fontext == "ttf":
        found += [path for path in _sandbox_fallbacks(self) if path not in found]
    return found


FontManager._find_fonts_by_props = _sandbox_find_with_fallback
"""
)


def main(share: Path) -> None:
    """Put everything in its place; a second call changes nothing."""
    share.mkdir(parents=True, exist_ok=True)
    for name in BESIDE:
        place(HERE / "fonts" / name, share / name)
    for font in (EMOJI, CJK):
        for directory in (share, Path(matplotlib.get_data_path(), "fonts", "ttf")):
            place(font, directory / font.name)
    module = Path(matplotlib.font_manager.__file__)
    source = module.read_text(encoding="utf-8")
    if not source.endswith(FALLBACK):
        module.write_text(source.partition(_MARK)[0] + FALLBACK, encoding="utf-8")


def place(font: Path, target: Path) -> None:
    """Show one file, if it is there, at another place too; a copy where the two are on different file systems."""
    if not font.exists():  # a Daytona snapshot has this program alone, and Debian's Symbola for emoji
        return
    target.unlink(missing_ok=True)
    try:
        os.link(font, target)
    except OSError:
        shutil.copy(font, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
