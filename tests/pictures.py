"""What tests of pictures look at."""

from matplotlib.backends.backend_agg import FigureCanvasAgg


def image(figure):
    """What the axes with a picture in it show."""
    return next(axes.images[0] for axes in figure.axes if axes.images)


def caption(figure):
    return " ".join(figure.get_supxlabel().split())


def is_inside(figure):
    """Whether every text lies within the picture."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [figure._supxlabel, *(axes.title for axes in figure.axes), *(axes.xaxis.label for axes in figure.axes)]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    return all(box.x1 <= figure.bbox.x1 + 1 and box.x0 >= -1 and box.y0 >= -1 for box in boxes)
