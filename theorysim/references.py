"""The published sources that the theories cite, one table; the only place that knows titles and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from theorysim.errors import ProblemError


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes
    ----------
    key : str
        As cited in docstrings, without an equation number: ``Jacot2018`` in ``[Jacot2018, eq. 8]``.
    authors, title, venue : str
        Authors joined by "and"; venue with volume.
    year : int
    arxiv : str
        Number of the preprint, empty where there is none.
    """

    key: str
    authors: str
    title: str
    venue: str
    year: int
    arxiv: str = ""

    @property
    def bibtex(self) -> str:
        """The entry as BibTeX."""
        fields = {"author": self.authors, "title": f"{{{self.title}}}", "year": str(self.year)}
        fields |= {"howpublished" if self.venue.startswith("arXiv") else "booktitle": self.venue}
        if self.arxiv:
            fields |= {"eprint": self.arxiv, "archiveprefix": "arXiv"}
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        kind = "misc" if self.venue.startswith("arXiv") else "inproceedings"
        return f"@{kind}{{{self.key},\n{body}\n}}"


_TABLE = (
    Reference("Jacot2018", "Arthur Jacot and Franck Gabriel and Clément Hongler",
              "Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
              "Advances in Neural Information Processing Systems 31", 2018, "1806.07572"),
    Reference("Lee2019", "Jaehoon Lee and Lechao Xiao and Samuel S. Schoenholz and Yasaman Bahri and "
              "Roman Novak and Jascha Sohl-Dickstein and Jeffrey Pennington",
              "Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent",
              "Advances in Neural Information Processing Systems 32", 2019, "1902.06720"),
    Reference("Li2019", "Qianxiao Li and Cheng Tai and Weinan E", "Stochastic Modified Equations and Dynamics of "
              "Stochastic Gradient Algorithms I: Mathematical Foundations",
              "Journal of Machine Learning Research 20(40)", 2019, "1811.01558"),
    Reference("Li2021", "Zhiyuan Li and Sadhika Malladi and Sanjeev Arora", "On the Validity of Modeling SGD with "
              "Stochastic Differential Equations (SDEs)", "Advances in Neural Information Processing Systems 34", 2021,
              "2102.12470"),
    Reference("Li2024", "Xiang Li and Zebang Shen and Liang Zhang and Niao He",
              "A Hessian-Aware Stochastic Differential Equation for Modelling SGD", "arXiv", 2024, "2405.18373"),
    Reference("Compagnoni2025", "Enea Monzio Compagnoni and Tianlin Liu and Rustem Islamov and "
              "Frank Norbert Proske and Antonio Orvieto and Aurelien Lucchi",
              "Adaptive Methods through the Lens of SDEs: Theoretical Insights on the Role of Noise",
              "International Conference on Learning Representations", 2025, "2411.15958"),
    Reference("Malladi2022", "Sadhika Malladi and Kaifeng Lyu and Abhishek Panigrahi and Sanjeev Arora",
              "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms",
              "Advances in Neural Information Processing Systems 35", 2022, "2205.10287"),
    Reference("Malladi2023", "Sadhika Malladi and Tianyu Gao and Eshaan Nichani and Alex Damian and Jason D. Lee and "
              "Danqi Chen and Sanjeev Arora", "Fine-Tuning Language Models with Just Forward Passes",
              "Advances in Neural Information Processing Systems 36", 2023, "2305.17333"),
    Reference("Paquette2021", "Courtney Paquette and Kiwon Lee and Fabian Pedregosa and Elliot Paquette",
              "SGD in the Large: Average-case Analysis, Asymptotics, and Stepsize Criticality",
              "Conference on Learning Theory", 2021, "2102.04396"),
    Reference("Paquette2022", "Courtney Paquette and Elliot Paquette and Ben Adlam and Jeffrey Pennington",
              "Homogenization of SGD in high-dimensions: Exact dynamics and generalization properties",
              "arXiv preprint", 2022, "2205.07069"),
    Reference("Li2022", "Zhiyuan Li and Tianhao Wang and Sanjeev Arora",
              "What Happens after SGD Reaches Zero Loss? A Mathematical Framework",
              "International Conference on Learning Representations", 2022, "2110.06914"),
    Reference("Blanc2020", "Guy Blanc and Neha Gupta and Gregory Valiant and Paul Valiant",
              "Implicit regularization for deep neural networks driven by an Ornstein-Uhlenbeck like process",
              "Conference on Learning Theory", 2020, "1904.09080"),
    Reference("Damian2021", "Alex Damian and Tengyu Ma and Jason D. Lee",
              "Label Noise SGD Provably Prefers Flat Global Minimizers",
              "Advances in Neural Information Processing Systems 34", 2021, "2106.06530"),
    Reference("Damian2023", "Alex Damian and Eshaan Nichani and Jason D. Lee",
              "Self-Stabilization: The Implicit Bias of Gradient Descent at the Edge of Stability",
              "International Conference on Learning Representations", 2023, "2209.15594"),
    Reference("Gu2023", "Xinran Gu and Kaifeng Lyu and Longbo Huang and Sanjeev Arora",
              "Why (and When) does Local SGD Generalize Better than SGD?",
              "International Conference on Learning Representations", 2023, "2303.01215"),
    Reference("Barrett2021", "David G. T. Barrett and Benoit Dherin", "Implicit Gradient Regularization",
              "International Conference on Learning Representations", 2021, "2009.11162"),
    Reference("Smith2021", "Samuel L. Smith and Benoit Dherin and David G. T. Barrett and Soham De",
              "On the Origin of Implicit Regularization in Stochastic Gradient Descent",
              "International Conference on Learning Representations", 2021, "2101.12176"),
    Reference("Ghosh2023", "Avrajit Ghosh and He Lyu and Xitong Zhang and Rongrong Wang",
              "Implicit regularization in Heavy-ball momentum accelerated stochastic gradient descent",
              "International Conference on Learning Representations", 2023, "2302.00849"),
    Reference("Cattaneo2024", "Matias D. Cattaneo and Jason M. Klusowski and Boris Shigida",
              "On the Implicit Bias of Adam", "International Conference on Machine Learning", 2024, "2309.00079"),
    Reference("Woodworth2020", "Blake Woodworth and Suriya Gunasekar and Jason D. Lee and Edward Moroshko and "
              "Pedro Savarese and Itay Golan and Daniel Soudry and Nathan Srebro",
              "Kernel and Rich Regimes in Overparametrized Models", "Conference on Learning Theory", 2020,
              "2002.09277"),
    Reference("Pesme2021", "Scott Pesme and Loucas Pillaud-Vivien and Nicolas Flammarion",
              "Implicit Bias of SGD for Diagonal Linear Networks: a Provable Benefit of Stochasticity",
              "Advances in Neural Information Processing Systems 34", 2021, "2106.09524"),
    Reference("Cohen2021", "Jeremy M. Cohen and Simran Kaur and Yuanzhi Li and J. Zico Kolter and Ameet Talwalkar",
              "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability",
              "International Conference on Learning Representations", 2021, "2103.00065"),
    Reference("Cohen2025", "Jeremy M. Cohen and Alex Damian and Ameet Talwalkar and J. Zico Kolter and Jason D. Lee",
              "Understanding Optimization in Deep Learning with Central Flows",
              "International Conference on Learning Representations", 2025, "2410.24206"),
    Reference("Lee2018", "Jaehoon Lee and Yasaman Bahri and Roman Novak and Samuel S. Schoenholz and "
              "Jeffrey Pennington and Jascha Sohl-Dickstein", "Deep Neural Networks as Gaussian Processes",
              "International Conference on Learning Representations", 2018, "1711.00165"),
    Reference("Matthews2018", "Alexander G. de G. Matthews and Mark Rowland and Jiri Hron and "
              "Richard E. Turner and Zoubin Ghahramani",
              "Gaussian Process Behaviour in Wide Deep Neural Networks",
              "International Conference on Learning Representations", 2018, "1804.11271"),
    Reference("Klambauer2017", "Günter Klambauer and Thomas Unterthiner and Andreas Mayr and Sepp Hochreiter",
              "Self-Normalizing Neural Networks", "Advances in Neural Information Processing Systems 30", 2017,
              "1706.02515"),
    Reference("Cho2009", "Youngmin Cho and Lawrence K. Saul", "Kernel Methods for Deep Learning",
              "Advances in Neural Information Processing Systems 22", 2009),
    Reference("Williams1997", "Christopher K. I. Williams", "Computing with Infinite Networks",
              "Advances in Neural Information Processing Systems 9", 1997),
    Reference("Tsuchida2021", "Russell Tsuchida and Tim Pearce and Chris van der Heide and Fred Roosta and "
              "Marcus Gallagher",
              "Avoiding Kernel Fixed Points: Computing with ELU and GELU Infinite Networks",
              "AAAI Conference on Artificial Intelligence", 2021, "2002.08517"),
    Reference("SohlDickstein2020", "Jascha Sohl-Dickstein and Roman Novak and Samuel S. Schoenholz and "
              "Jaehoon Lee",
              "On the infinite width limit of neural networks with a standard parameterization",
              "arXiv preprint", 2020, "2001.07301"),
    Reference("Poole2016", "Ben Poole and Subhaneil Lahiri and Maithra Raghu and Jascha Sohl-Dickstein and "
              "Surya Ganguli", "Exponential expressivity in deep neural networks through transient chaos",
              "Advances in Neural Information Processing Systems 29", 2016, "1606.05340"),
    Reference("Yang2019", "Greg Yang and Hadi Salman", "A Fine-Grained Spectral Perspective on Neural Networks",
              "arXiv preprint", 2019, "1907.10599"),
    Reference("Schoenholz2017", "Samuel S. Schoenholz and Justin Gilmer and Surya Ganguli and "
              "Jascha Sohl-Dickstein", "Deep Information Propagation",
              "International Conference on Learning Representations", 2017, "1611.01232"),
    Reference("Yang2021", "Greg Yang and Edward J. Hu",
              "Tensor Programs IV: Feature Learning in Infinite-Width Neural Networks",
              "International Conference on Machine Learning", 2021, "2011.14522"),
    Reference("Bordelon2022", "Blake Bordelon and Cengiz Pehlevan",
              "Self-Consistent Dynamical Field Theory of Kernel Evolution in Wide Neural Networks",
              "Advances in Neural Information Processing Systems 35", 2022, "2205.09653"),
    Reference("Mei2018", "Song Mei and Andrea Montanari and Phan-Minh Nguyen",
              "A mean field view of the landscape of two-layer neural networks",
              "Proceedings of the National Academy of Sciences 115(33)", 2018, "1804.06561"),
    Reference("Rotskoff2022", "Grant M. Rotskoff and Eric Vanden-Eijnden",
              "Trainability and Accuracy of Artificial Neural Networks: An Interacting Particle System Approach",
              "Communications on Pure and Applied Mathematics 75(9)", 2022, "1805.00915"),
    Reference("Bordelon2023", "Blake Bordelon and Cengiz Pehlevan",
              "Dynamics of Finite Width Kernel and Prediction Fluctuations in Mean Field Neural Networks",
              "Advances in Neural Information Processing Systems 36", 2023, "2304.03408"),
    Reference("Yang2022", "Greg Yang and Edward J. Hu and Igor Babuschkin and Szymon Sidor and Xiaodong Liu and "
              "David Farhi and Nick Ryder and Jakub Pachocki and Weizhu Chen and Jianfeng Gao",
              "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer",
              "arXiv preprint", 2022, "2203.03466"),
    Reference("Bolthausen2014", "Erwin Bolthausen",
              "An iterative construction of solutions of the TAP equations for the Sherrington-Kirkpatrick model",
              "Communications in Mathematical Physics 325", 2014, "1201.2891"),
    Reference("Owen1997", "Art B. Owen", "Scrambled net variance for integrals of smooth functions",
              "Annals of Statistics 25(4)", 1997),
    Reference("Polyak1964", "Boris T. Polyak",
              "Some methods of speeding up the convergence of iteration methods",
              "USSR Computational Mathematics and Mathematical Physics 4(5)", 1964),
    Reference("Kingma2015", "Diederik P. Kingma and Jimmy Ba", "Adam: A Method for Stochastic Optimization",
              "International Conference on Learning Representations", 2015, "1412.6980"),
    Reference("Cristianini2001", "Nello Cristianini and John Shawe-Taylor and André Elisseeff and Jaz Kandola",
              "On Kernel-Target Alignment", "Advances in Neural Information Processing Systems 14", 2001),
    Reference("Hanin2020", "Boris Hanin and Mihai Nica",
              "Finite Depth and Width Corrections to the Neural Tangent Kernel",
              "International Conference on Learning Representations", 2020, "1909.05989"),
    Reference("Hanin2022", "Boris Hanin",
              "Random Fully Connected Neural Networks as Perturbatively Solvable Hierarchies",
              "arXiv preprint", 2022, "2204.01058"),
    Reference("Roberts2022", "Daniel A. Roberts and Sho Yaida and Boris Hanin",
              "The Principles of Deep Learning Theory", "Cambridge University Press", 2022, "2106.10165"),
    Reference("Bordelon2024", "Blake Bordelon and Lorenzo Noci and Mufan Bill Li and Boris Hanin and "
              "Cengiz Pehlevan",
              "Depthwise Hyperparameter Transfer in Residual Networks: Dynamics and Scaling Limit",
              "International Conference on Learning Representations", 2024, "2309.16620"),
    Reference("Yao2025", "Zihan Yao and Ruoyu Wu and Tianxiang Gao",
              "Understanding Scaling Laws in Deep Neural Networks via Feature Learning Dynamics",
              "arXiv preprint", 2025, "2512.21075"),
    Reference("Novak2019", "Roman Novak and Lechao Xiao and Yasaman Bahri and Jaehoon Lee and Greg Yang and "
              "Jiri Hron and Daniel A. Abolafia and Jeffrey Pennington and Jascha Sohl-Dickstein",
              "Bayesian Deep Convolutional Networks with Many Channels are Gaussian Processes",
              "International Conference on Learning Representations", 2019, "1810.05148"),
    Reference("Arora2019", "Sanjeev Arora and Simon S. Du and Wei Hu and Zhiyuan Li and Ruslan Salakhutdinov and "
              "Ruosong Wang", "On Exact Computation with an Infinitely Wide Neural Net",
              "Advances in Neural Information Processing Systems 32", 2019, "1904.11955"),
    Reference("Hron2020", "Jiri Hron and Yasaman Bahri and Jascha Sohl-Dickstein and Roman Novak",
              "Infinite attention: NNGP and NTK for deep attention networks",
              "International Conference on Machine Learning", 2020, "2006.10540"),
    Reference("Salmon2011", "John K. Salmon and Mark A. Moraes and Ron O. Dror and David E. Shaw",
              "Parallel Random Numbers: As Easy as 1, 2, 3",
              "International Conference for High Performance Computing, Networking, Storage and "
              "Analysis", 2011),
    Reference("Arora2018", "Sanjeev Arora and Nadav Cohen and Elad Hazan", "On the Optimization of Deep Networks: "
              "Implicit Acceleration by Overparameterization", "ICML", 2018, "1802.06509"),
    Reference("Radhakrishnan2020", "Adityanarayanan Radhakrishnan and Mikhail Belkin and Caroline Uhler",
              "Overparameterized Neural Networks Implement Associative Memory", "PNAS 117, 27162", 2020),
    Reference("Combettes2020", "Patrick L. Combettes and Jean-Christophe Pesquet",
              "Deep Neural Network Structures Solving Variational Inequalities",
              "Set-Valued and Variational Analysis 28", 2020, "1808.07526"),
    Reference("Bauschke2017", "Heinz H. Bauschke and Patrick L. Combettes",
              "Convex Analysis and Monotone Operator Theory in Hilbert Spaces", "Springer", 2017),
    Reference("Winston2020", "Ezra Winston and J. Zico Kolter", "Monotone operator equilibrium networks",
              "Advances in Neural Information Processing Systems 33", 2020, "2006.08591"),
    Reference("Davydov2024", "Alexander Davydov and Saber Jafarpour and Anton V. Proskurnikov and Francesco Bullo",
              "Non-Euclidean Monotone Operator Theory and Applications", "Journal of Machine Learning Research 25",
              2024, "2303.11273"),
    Reference("Cottle1992", "Richard W. Cottle and Jong-Shi Pang and Richard E. Stone",
              "The Linear Complementarity Problem", "Academic Press", 1992),
    Reference("Korpelevich1976", "G. M. Korpelevich",
              "The extragradient method for finding saddle points and other problems", "Matecon 12", 1976),
    Reference("Popov1980", "L. D. Popov",
              "A modification of the Arrow-Hurwicz method for search of saddle points", "Mathematical Notes 28", 1980),
    Reference("Tseng2000", "Paul Tseng",
              "A Modified Forward-Backward Splitting Method for Maximal Monotone Mappings",
              "SIAM Journal on Control and Optimization 38", 2000),
    Reference("Malitsky2020a", "Yura Malitsky", "Golden ratio algorithms for variational inequalities",
              "Mathematical Programming 184", 2020, "1803.08832"),
    Reference("Malitsky2020b", "Yura Malitsky and Matthew K. Tam",
              "A Forward-Backward Splitting Method for Monotone Inclusions Without Cocoercivity",
              "SIAM Journal on Optimization 30", 2020, "1808.04162"),
    Reference("Yoon2021", "TaeHo Yoon and Ernest K. Ryu",
              "Accelerated Algorithms for Smooth Convex-Concave Minimax Problems with O(1/k^2) Rate on Squared "
              "Gradient Norm", "International Conference on Machine Learning", 2021, "2102.07922"),
    Reference("Lieder2021", "Felix Lieder", "On the convergence rate of the Halpern-iteration",
              "Optimization Letters 15", 2021),
    Reference("Facchinei2003", "Francisco Facchinei and Jong-Shi Pang",
              "Finite-Dimensional Variational Inequalities and Complementarity Problems", "Springer", 2003),
    Reference("Qi1993", "Liqun Qi and Jie Sun", "A nonsmooth version of Newton's method",
              "Mathematical Programming 58", 1993),
    Reference("Tsatsomeros2000", "Michael J. Tsatsomeros and Lei Li", "A recursive test for P-matrices",
              "BIT Numerical Mathematics 40", 2000),
    Reference("Candogan2011", "Ozan Candogan and Ishai Menache and Asuman Ozdaglar and Pablo A. Parrilo",
              "Flows and Decompositions of Games: Harmonic and Potential Games",
              "Mathematics of Operations Research 36", 2011, "1005.2405"),
    Reference("Thompson1933", "William R. Thompson", "On the Likelihood that One Unknown Probability Exceeds Another "
              "in View of the Evidence of Two Samples", "Biometrika 25", 1933),
    Reference("Gittins1979", "J. C. Gittins", "Bandit Processes and Dynamic Allocation Indices",
              "Journal of the Royal Statistical Society B 41", 1979),
    Reference("Lai1985", "T. L. Lai and Herbert Robbins", "Asymptotically efficient adaptive allocation rules",
              "Advances in Applied Mathematics 6", 1985),
    Reference("Marsaglia2000", "George Marsaglia and Wai Wan Tsang", "A simple method for generating gamma variables",
              "ACM Transactions on Mathematical Software 26", 2000),
    Reference("Auer2002", "Peter Auer and Nicolò Cesa-Bianchi and Paul Fischer",
              "Finite-time Analysis of the Multiarmed Bandit Problem", "Machine Learning 47", 2002),
    Reference("Garivier2011", "Aurélien Garivier and Olivier Cappé",
              "The KL-UCB Algorithm for Bounded Stochastic Bandits and Beyond", "Conference on Learning Theory", 2011,
              "1102.2490"),
    Reference("AbbasiYadkori2011", "Yasin Abbasi-Yadkori and Dávid Pál and Csaba Szepesvári",
              "Improved Algorithms for Linear Stochastic Bandits",
              "Advances in Neural Information Processing Systems 24", 2011),
    Reference("Lattimore2017", "Tor Lattimore and Csaba Szepesvári",
              "The End of Optimism? An Asymptotic Analysis of Finite-Armed Linear Bandits",
              "International Conference on Artificial Intelligence and Statistics", 2017, "1610.04491"),
    Reference("Azar2017", "Mohammad Gheshlaghi Azar and Ian Osband and Rémi Munos",
              "Minimax Regret Bounds for Reinforcement Learning", "International Conference on Machine Learning", 2017,
              "1703.05449"),
    Reference("Lattimore2020", "Tor Lattimore and Csaba Szepesvári", "Bandit Algorithms",
              "Cambridge University Press", 2020),
    Reference("Lin2024", "Licong Lin and Yu Bai and Song Mei",
              "Transformers as Decision Makers: Provable In-Context Reinforcement Learning via Supervised Pretraining",
              "International Conference on Learning Representations", 2024, "2310.08566"),
    Reference("Taylor1978", "Peter D. Taylor and Leo B. Jonker", "Evolutionary Stable Strategies and Game Dynamics",
              "Mathematical Biosciences 40", 1978),
    Reference("Gilboa1991", "Itzhak Gilboa and Akihiko Matsui", "Social Stability and Equilibrium",
              "Econometrica 59", 1991),
    Reference("Fudenberg1998", "Drew Fudenberg and David K. Levine", "The Theory of Learning in Games",
              "MIT Press", 1998),
    Reference("Hofbauer1998", "Josef Hofbauer and Karl Sigmund", "Evolutionary Games and Population Dynamics",
              "Cambridge University Press", 1998),
    Reference("Sandholm2010", "William H. Sandholm", "Population Games and Evolutionary Dynamics", "MIT Press", 2010),
    Reference("Brown1950", "George W. Brown and John von Neumann", "Solutions of Games by Differential Equations",
              "Contributions to the Theory of Games I", 1950),
    Reference("Smith1984", "Michael J. Smith", "The Stability of a Dynamic Model of Traffic Assignment: An Application "
              "of a Method of Lyapunov", "Transportation Science 18", 1984),
    Reference("Brown1951", "George W. Brown", "Iterative Solution of Games by Fictitious Play",
              "Activity Analysis of Production and Allocation", 1951),
    Reference("Freund1999", "Yoav Freund and Robert E. Schapire", "Adaptive Game Playing Using Multiplicative Weights",
              "Games and Economic Behavior 29", 1999),
    Reference("Daskalakis2019", "Constantinos Daskalakis and Ioannis Panageas", "Last-Iterate Convergence: Zero-Sum "
              "Games and Constrained Min-Max Optimization", "Innovations in Theoretical Computer Science", 2019,
              "1807.04252"),
    Reference("Zinkevich2003", "Martin Zinkevich", "Online Convex Programming and Generalized Infinitesimal Gradient "
              "Ascent", "International Conference on Machine Learning", 2003),
    Reference("Nesterov2009", "Yurii Nesterov", "Primal-Dual Subgradient Methods for Convex Problems",
              "Mathematical Programming 120", 2009),
    Reference("Hart2000", "Sergiu Hart and Andreu Mas-Colell", "A Simple Adaptive Procedure Leading to Correlated "
              "Equilibrium", "Econometrica 68", 2000),
    Reference("Tammelin2014", "Oskari Tammelin", "Solving Large Imperfect Information Games Using CFR+",
              "arXiv preprint", 2014, "1407.5042"),
    Reference("Gidel2019", "Gauthier Gidel and Reyhane Askari Hemmat and Mohammad Pezeshki and Remi Le Priol and "
              "Gabriel Huang and Simon Lacoste-Julien and Ioannis Mitliagkas", "Negative Momentum for Improved Game "
              "Dynamics", "Artificial Intelligence and Statistics", 2019, "1807.04740"),
    Reference("Mescheder2017", "Lars Mescheder and Sebastian Nowozin and Andreas Geiger", "The Numerics of GANs",
              "Advances in Neural Information Processing Systems 30", 2017, "1705.10461"),
    Reference("Balduzzi2018", "David Balduzzi and Sebastien Racaniere and James Martens and Jakob Foerster and "
              "Karl Tuyls and Thore Graepel", "The Mechanics of n-Player Differentiable Games",
              "International Conference on Machine Learning", 2018, "1802.05642"),
    Reference("Rockafellar1976", "R. Tyrrell Rockafellar", "Monotone Operators and the Proximal Point Algorithm",
              "SIAM Journal on Control and Optimization 14", 1976),
    Reference("Kurtz1978", "Thomas G. Kurtz", "Strong Approximation Theorems for Density Dependent Markov Chains",
              "Stochastic Processes and their Applications 6", 1978),
    Reference("Benaim2003", "Michel Benaim and Jorgen W. Weibull", "Deterministic Approximation of Stochastic "
              "Evolution in Games", "Econometrica 71", 2003),
    Reference("Dormand1980", "J. R. Dormand and P. J. Prince", "A Family of Embedded Runge-Kutta Formulae",
              "Journal of Computational and Applied Mathematics 6", 1980),
    Reference("Lemke1964", "Carlton E. Lemke and Joseph T. Howson", "Equilibrium Points of Bimatrix Games",
              "Journal of the Society for Industrial and Applied Mathematics 12", 1964),
    Reference("Avis2010", "David Avis and Gabriel D. Rosenberg and Rahul Savani and Bernhard von Stengel",
              "Enumeration of Nash equilibria for two-player games", "Economic Theory 42", 2010),
    Reference("DomingoEnrich2020", "Carles Domingo-Enrich and Samy Jelassi and Arthur Mensch and Grant Rotskoff and "
              "Joan Bruna", "A mean-field analysis of two-player zero-sum games",
              "Advances in Neural Information Processing Systems 33", 2020),
    Reference("Lu2022", "Haihao Lu", "An O(s^r)-resolution ODE framework for understanding discrete-time algorithms "
              "and applications to the linear convergence of minimax problems", "Mathematical Programming 194", 2022,
              "2001.08826"),
)  # fmt: skip
REFERENCES: Mapping[str, Reference] = {row.key: row for row in _TABLE}

_CITED = re.compile(r"\[([A-Z][A-Za-z]+\d{4}[a-z]?)(?:,[^\]]*)?\]")


def cited(text: str) -> tuple[str, ...]:
    """Return the keys that a docstring cites as ``[Key]`` or ``[Key, eq. 3]``, in order, each once."""
    return tuple(dict.fromkeys(_CITED.findall(text)))


def bibtex(keys: tuple[str, ...]) -> str:
    """Return BibTeX of the publications.

    Raises
    ------
    ProblemError
        If a key is not in the table.
    """
    for key in keys:
        if key not in REFERENCES:
            raise ProblemError(f'cite: no reference "{key}"; known: {", ".join(sorted(REFERENCES))}')
    return "\n\n".join(REFERENCES[key].bibtex for key in keys)
