"""Figures as small SVG, made by hand: sharp, dark or light as the page is, with words for who does not see them."""
